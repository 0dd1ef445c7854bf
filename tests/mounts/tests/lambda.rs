//! lambda_http, against a Runtime API as Lambda has one.

use std::process::Stdio;

use axum::{
    Json, Router,
    extract::State,
    response::IntoResponse,
    routing::{get, post},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{Request, Response};
use mounts::{check, listen};
use serde_json::{Value, json};
use tokio::{
    process::{Child, Command},
    sync::{Mutex, mpsc},
};

/// The function's process, and what goes there and comes back.
struct Function {
    events: mpsc::Sender<Value>,
    answers: mpsc::Receiver<Value>,
    _process: Child,
}

impl Function {
    /// Starts the function, and plays what it asks for its work.
    async fn start() -> Self {
        let (events, waiting) = mpsc::channel(1);
        let (answered, answers) = mpsc::channel(1);
        let next = async |State(waiting): State<&'static Mutex<mpsc::Receiver<Value>>>| {
            let event = waiting.lock().await.recv().await;
            let headers = [
                ("lambda-runtime-aws-request-id", "1"),
                ("lambda-runtime-deadline-ms", "9999999999999"),
                ("lambda-runtime-invoked-function-arn", "arn"),
            ];
            (headers, Json(event)).into_response()
        };
        let answer = async move |answer: Bytes| {
            let answer = serde_json::from_slice(&answer).unwrap();
            answered.send(answer).await.unwrap();
        };
        let api = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answer))
            .with_state(Box::leak(Box::new(Mutex::new(waiting))));
        let (listener, address) = listen().await;
        tokio::spawn(async { axum::serve(listener, api).await });
        let process = Command::new(env!("CARGO_BIN_EXE_lambda"))
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "callbacks")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            events,
            answers,
            _process: process,
        }
    }

    /// A request as a function URL or an HTTP API hands it on.
    async fn send(&mut self, request: Request<Bytes>, in_base64: bool) -> Response<Bytes> {
        let body = match in_base64 {
            true => BASE64_STANDARD.encode(request.body()),
            false => String::from_utf8_lossy(request.body()).into_owned(),
        };
        let (method, path) = (request.method().as_str(), request.uri().path());
        let event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": request.uri().query(),
            "headers": {"host": "callbacks.example"},
            "requestContext": {
                "http": {"method": method, "path": path},
                "stage": "$default",
            },
            "body": body,
            "isBase64Encoded": in_base64,
        });
        self.events.send(event).await.unwrap();
        let answer = self.answers.recv().await.unwrap();
        let mut response =
            Response::builder().status(answer["statusCode"].as_u64().unwrap() as u16);
        for (name, value) in answer["headers"].as_object().unwrap() {
            response = response.header(name, value.as_str().unwrap());
        }
        let body = answer["body"].as_str().unwrap();
        let body = match answer["isBase64Encoded"].as_bool().unwrap() {
            true => BASE64_STANDARD.decode(body).unwrap(),
            false => body.as_bytes().to_vec(),
        };
        response.body(body.into()).unwrap()
    }
}

#[tokio::test]
async fn with_plain_bodies_and_in_base64() {
    let mut function = Function::start().await;
    for in_base64 in [false, true] {
        check(async |request| function.send(request, in_base64).await).await;
    }
}
