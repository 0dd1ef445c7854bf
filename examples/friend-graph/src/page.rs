//! The page for people: plain HTML and SVG, without a script.

use std::f64::consts::TAU;

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
    api::READ,
    count::{Count, Counter},
    store::{Failure, Friend, Friends, LastChange, Store},
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
/// The characters of a name that there is room for; a UserID of Chat's has no more.
const NAME: usize = 32;
/// The part of its size that the drawing may shrink to; names of 14 pixels then have 11.
const LEGIBLE: f64 = 0.8;
/// The pixels beside it, scroll bar included.
const MARGIN: f64 = 50.0;
/// The pixels that the table needs, too.
const TABLE: f64 = 720.0;

pub(crate) fn router(store: &Store) -> Router {
    let site = Site {
        store: store.clone(),
        counter: Counter::new(store.clone()),
    };
    Router::new().route("/", get(page)).with_state(site)
}

#[derive(Clone)]
struct Site {
    store: Store,
    counter: Counter,
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
    /// `None` until the first count has ended.
    count: Option<Count>,
    latest: Vec<LastChange>,
    drawing: Drawing,
    next: Option<String>,
}

struct Drawing {
    friends: Vec<Drawn>,
    /// From the middle of the picture to its edges, names included, in pixels.
    half: f64,
}

/// A friend, and where on the circle.
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
    State(site): State<Site>,
    Query(question): Query<Question>,
) -> Result<Response, Failure> {
    // While the rest is read, a small table is counted already.
    site.counter.refresh();
    let deadline = Instant::now() + READ;
    let latest = site.store.latest(LATEST, deadline).await?;
    let Question { user, after } = &question;
    let Friends { friends, next } = site.store.friends(user, after, DRAWN, deadline).await?;
    let page = Page {
        count: site.counter.last(),
        latest,
        drawing: Drawing::new(friends),
        next,
        question,
    };
    let html = page.render().expect("the template writes to a string");
    Ok(([(CONTENT_SECURITY_POLICY, POLICY)], Html(html)).into_response())
}

impl Drawing {
    /// Spreads friends over a circle, from the top on and clockwise.
    fn new(friends: Vec<Friend>) -> Self {
        let count = friends.len() as f64;
        let radius = f64::max(count * SPACING / TAU, MIN_RADIUS);
        let place = |(index, friend): (usize, Friend)| {
            Drawn::new(friend, (index as f64 / count - 0.25) * TAU, radius)
        };
        let friends: Vec<_> = friends.into_iter().enumerate().map(place).collect();
        let widths = friends.iter().map(|drawn| width(&drawn.name));
        let half = radius + widths.fold(0.0, f64::max);
        Self { friends, half }
    }

    /// The width of a window below which there are lists instead of the drawing and the table.
    fn min_window(&self) -> f64 {
        f64::max(2.0 * self.half * LEGIBLE + MARGIN, TABLE).ceil()
    }
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
    match name.char_indices().nth(NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// How much room a name takes, about: a server has no fonts to measure it with. In the one of fixed width that
/// the drawing uses, ASCII takes 8.4 pixels, an ideogram 14, and an emoji up to 18.
fn width(name: &str) -> f64 {
    let widths = name.chars().map(|c| if c.is_ascii() { 8.5 } else { 18.0 });
    24.0 + widths.sum::<f64>()
}

/// Groups digits, as in 1,500,000.
fn grouped(number: &i64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(String::from_utf8_lossy).collect();
    groups.join(",")
}
