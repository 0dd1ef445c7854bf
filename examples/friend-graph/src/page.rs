//! The page for people: plain HTML and SVG, without a script.

use std::{f64::consts::TAU, sync::Arc};

use askama::Template;
use axum::{
    Router,
    extract::{Query, State},
    http::header::CONTENT_SECURITY_POLICY,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    App,
    store::{Failure, Friend, Friends, LastChange},
    times::READ,
};

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";
/// How many changes are listed.
const LATEST: u32 = 10;
/// How many friends are drawn.
const DRAWN: u32 = 60;
/// The pixels of the circle that a friend needs, so that names don't touch, and the least radius.
const SPACING: f64 = 21.0;
const MIN_RADIUS: f64 = 120.0;
/// The pixels that a name may take: enough for the 32 bytes of a UserID. The style sheet counts on it.
const NAME: f64 = 272.0;

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new().route("/", get(page))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Question {
    user: String,
    /// The last UserID of the page before.
    after: String,
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    question: Question,
    latest: Vec<LastChange>,
    drawn: Vec<Drawn>,
    /// From the middle of the picture to its edges, names included, in pixels.
    half: f64,
    next: Option<String>,
}

struct Drawn {
    friend: Friend,
    name: String,
    x: f64,
    y: f64,
    /// The angle of the name, in degrees.
    turn: f64,
    /// Whether the name is left of its point, so that it is never upside down.
    left: bool,
}

async fn page(
    State(app): State<Arc<App>>,
    Query(question): Query<Question>,
) -> Result<Response, Failure> {
    let deadline = Instant::now() + READ;
    let latest = app.store.latest(LATEST, deadline).await?;
    let Question { user, after } = &question;
    let Friends { friends, next } = app.store.friends(user, after, DRAWN, deadline).await?;
    // Spread over a circle, from the top on and clockwise.
    let count = friends.len() as f64;
    let radius = f64::max(count * SPACING / TAU, MIN_RADIUS);
    let friends = friends.into_iter().enumerate();
    let drawn: Vec<_> = friends
        .map(|(n, friend)| Drawn::new(friend, (n as f64 / count - 0.25) * TAU, radius))
        .collect();
    let widths = drawn.iter().map(|drawn| width(&drawn.name));
    let page = Page {
        half: radius + 24.0 + widths.fold(0.0, f64::max),
        drawn,
        question,
        latest,
        next,
    };
    let html = page.render().expect("the template writes to a string");
    Ok(([(CONTENT_SECURITY_POLICY, POLICY)], Html(html)).into_response())
}

impl Drawn {
    fn new(friend: Friend, angle: f64, radius: f64) -> Self {
        let left = angle.cos() < -1e-9;
        Self {
            name: shorten(&friend.user_id),
            friend,
            x: angle.cos() * radius,
            y: angle.sin() * radius,
            turn: angle.to_degrees() + if left { 180.0 } else { 0.0 },
            left,
        }
    }
}

fn shorten(name: &str) -> String {
    let ends = name.char_indices().map(|(start, c)| start + c.len_utf8());
    match ends.take_while(|end| width(&name[..*end]) <= NAME).last() {
        Some(end) if end < name.len() => format!("{}…", &name[..end]),
        _ => name.to_owned(),
    }
}

/// How much room a name takes, about: a server has no fonts to measure it with. In the one of fixed width that
/// the drawing uses, ASCII takes 8.4 pixels, an ideogram 14, and an emoji up to 18.
fn width(name: &str) -> f64 {
    let widths = name.chars().map(|c| if c.is_ascii() { 8.5 } else { 18.0 });
    widths.sum()
}
