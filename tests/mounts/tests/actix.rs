//! Actix, which isn't Tower, by `receive`.

use std::{net::TcpListener, thread};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt::System, web};
use bytes::Bytes;
use http::{Method, Response, Uri};
use mounts::{answer, check_at, layer};
use tower_tencent_chat::{CallbackResponse, RejectionKind};

async fn callback(request: HttpRequest, body: Bytes) -> HttpResponse {
    // Actix has `http` 0.2, so the parts go through texts.
    let method: Method = request.method().as_str().parse().unwrap();
    let url = request.uri().to_string();
    let uri: Uri = url.parse().unwrap();
    let response = match layer().receive(&method, &uri, &body) {
        Ok(callback) => answer(Some(&callback), &method, &url, &body),
        Err(other) if other.kind() == RejectionKind::MissingCallback => {
            answer(None, &method, &url, &body)
        }
        Err(rejection) => CallbackResponse::from(rejection).into(),
    };
    into_actix(&response)
}

fn into_actix(response: &Response<Bytes>) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    for (name, value) in response.headers() {
        answer.insert_header((name.as_str(), value.as_bytes()));
    }
    answer.body(response.body().clone())
}

#[tokio::test]
async fn a_handler_calls_receive() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let app = || {
            App::new()
                .app_data(web::PayloadConfig::new(1 << 20))
                .default_service(web::to(callback))
        };
        let server = HttpServer::new(app).workers(1).disable_signals();
        System::new().block_on(server.listen(listener).unwrap().run())
    });
    check_at(address).await;
}
