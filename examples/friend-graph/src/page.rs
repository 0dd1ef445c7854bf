//! The page for people: plain HTML and SVG, without a script.

use std::{f64::consts::TAU, time::Duration};

use askama::Template;
use axum::{
    extract::{Query, State},
    http::header::CONTENT_SECURITY_POLICY,
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    App,
    api::READ,
    store::{Addition, Failure, Friend, Totals},
};

/// How long counting may take.
const COUNT: Duration = Duration::from_millis(500);
/// How many additions are listed.
const LATEST: u32 = 10;
/// How many friends are drawn.
const DRAWN: u32 = 60;
/// How far from the user friends are drawn, in the units of the picture.
const RADIUS: f64 = 200.0;
/// The characters of a name that there is room for; a UserID of Chat's has no more.
const NAME: usize = 32;

#[derive(Deserialize)]
pub(crate) struct Question {
    #[serde(default)]
    user: String,
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    user: String,
    /// `None` where there are too many to be counted in time.
    totals: Option<Totals>,
    latest: Vec<Addition>,
    drawn: Vec<Drawn>,
    /// From the middle of the picture to its edges, names included.
    half: f64,
    more: bool,
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

pub(crate) async fn page(
    State(app): State<App>,
    Query(Question { user }): Query<Question>,
) -> Result<Response, Failure> {
    let deadline = Instant::now() + READ;
    let latest = app.store.latest(LATEST, deadline).await?;
    let mut friends = app.store.friends(&user, "", DRAWN + 1, deadline).await?;
    let more = friends.len() > DRAWN as usize;
    friends.truncate(DRAWN as usize);
    // Counting a large table takes longer than anybody waits.
    let totals = match app.store.totals(Instant::now() + COUNT).await {
        Err(Failure::TimedOut) => None,
        totals => Some(totals?),
    };
    let drawn = draw(friends);
    let widest = drawn.iter().map(|drawn| width(&drawn.name));
    let page = Page {
        user,
        totals,
        latest,
        half: RADIUS + widest.fold(100.0, f64::max),
        drawn,
        more,
    };
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; \
                  base-uri 'none'; frame-ancestors 'none'";
    let html = page.render().expect("the template writes to a string");
    Ok(([(CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response())
}

/// Spreads friends over a circle, from the top on and clockwise.
fn draw(friends: Vec<Friend>) -> Vec<Drawn> {
    let count = friends.len() as f64;
    let place = |(index, friend): (usize, Friend)| {
        let angle = (index as f64 / count - 0.25) * TAU;
        let left = angle.cos() < -1e-9;
        Drawn {
            name: shorten(&friend.user_id),
            friend,
            x: angle.cos() * RADIUS,
            y: angle.sin() * RADIUS,
            turn: angle.to_degrees() + if left { 180.0 } else { 0.0 },
            left,
        }
    };
    friends.into_iter().enumerate().map(place).collect()
}

fn shorten(name: &str) -> String {
    match name.char_indices().nth(NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// How much room a name takes, about: a server has no fonts to measure it with.
fn width(name: &str) -> f64 {
    let widths = name.chars().map(|c| if c.is_ascii() { 9.0 } else { 14.0 });
    24.0 + widths.sum::<f64>()
}
