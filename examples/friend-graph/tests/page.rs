//! The page, as a person sees it in a browser.

mod common;

use std::{
    env, fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::json;
use tempfile::TempDir;
use thirtyfour::prelude::*;

use common::{App, Chat, Database, add, delete, skip};

/// What tells the browser what to do.
struct Chromedriver(Child);

impl Drop for Chromedriver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a test in a headless Chromium, and closes it whatever becomes of the test.
async fn in_a_browser(test: impl AsyncFnOnce(&WebDriver)) {
    let mut command = Command::new("chromedriver");
    let Ok(mut process) = command.arg("--port=0").stdout(Stdio::piped()).spawn() else {
        return skip("chromedriver");
    };
    let stdout = BufReader::new(process.stdout.take().unwrap());
    let _chromedriver = Chromedriver(process);
    let mut lines = stdout.lines().map(Result::unwrap);
    let port = lines.find_map(|line| {
        let (_, port) = line.split_once("successfully on port ")?;
        Some(port.trim_end_matches('.').to_owned())
    });
    let url = format!("http://127.0.0.1:{}", port.unwrap());
    let profile = TempDir::new().unwrap();
    let mut capabilities = DesiredCapabilities::chrome();
    for argument in [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        &format!("--user-data-dir={}", profile.path().display()),
    ] {
        capabilities.add_arg(argument).unwrap();
    }
    let driver = WebDriver::new(&url, capabilities).await.unwrap();
    let test = async |driver| {
        test(&driver).await;
        Ok::<_, WebDriverError>(())
    };
    driver.run_and_quit(test).await.unwrap();
}

/// Shows a page in a window of this width.
async fn show(driver: &WebDriver, app: &App, path: &str, width: u32) {
    let metrics = json!({
        "width": width, "height": 1200, "deviceScaleFactor": 1, "mobile": width < 600,
    });
    let resize = driver.cdp();
    let resize = resize.send_raw("Emulation.setDeviceMetricsOverride", metrics);
    resize.await.unwrap();
    driver.goto(format!("{}{path}", app.url)).await.unwrap();
}

/// The texts of what is shown.
async fn texts(driver: &WebDriver, css: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for element in driver.find_all(By::Css(css)).await.unwrap() {
        if element.is_displayed().await.unwrap() {
            texts.push(element.text().await.unwrap());
        }
    }
    texts
}

#[tokio::test]
async fn a_person_sees_a_users_friends_and_the_latest_changes() {
    in_a_browser(async |driver| {
        for database in Database::all() {
            let app = App::start(&database);
            let chat = Chat::new();
            show(driver, &app, "/", 1280).await;
            let nothing = "No callback has changed a friend yet.";
            assert_eq!(texts(driver, "#nothing").await, [nothing]);
            let friends = ["bob", "carol", "dave", "erin", "frank", "grace", "heidi"];
            let pairs = friends.map(|friend| ("alice", friend));
            chat.deliver(&app, &add(pairs)).await;
            let back = add([("bob", "alice"), ("erin", "alice")]);
            chat.deliver(&app, &back).await;
            chat.deliver(&app, &delete([("alice", "frank")])).await;
            let last = add([("judy", "alice")]).query("OptPlatform", "macOS");
            chat.deliver(&app, &last).await;

            // By the form, and then by a link of the picture.
            driver.refresh().await.unwrap();
            let field = driver.find(By::Id("user")).await.unwrap();
            field.send_keys("alice" + Key::Enter).await.unwrap();
            field.wait_until().stale().await.unwrap();
            let drawn = ["bob", "carol", "dave", "erin", "grace", "heidi"];
            assert_eq!(texts(driver, "#friends a text").await, drawn);
            assert_eq!(texts(driver, "#friends line.one-way").await.len(), 4);
            let cells = texts(driver, "#latest td").await;
            let rows: Vec<_> = cells.chunks(6).map(|row| row[..5].join(" ")).collect();
            for row in ["judy alice  judy Mac", "alice  frank  "] {
                assert!(rows.iter().any(|have| have == row), "{rows:?}");
            }
            if let Some(file) = env::var_os("SCREENSHOT") {
                fs::write(file, driver.screenshot_as_png().await.unwrap()).unwrap();
            }
            let bob = driver.find(By::Css("#friends a text")).await.unwrap();
            bob.click().await.unwrap();
            bob.wait_until().stale().await.unwrap();
            assert_eq!(texts(driver, "#friends a text").await, ["alice"]);

            // On a phone.
            show(driver, &app, "/?user=alice", 390).await;
            assert_eq!(texts(driver, "#friends").await.len(), 0);
            assert_eq!(texts(driver, "#list a").await, drawn);
        }
    })
    .await;
}

#[tokio::test]
async fn names_are_shown_as_they_are_and_do_nothing() {
    in_a_browser(async |driver| {
        let database = Database::sqlite();
        let app = App::start(&database);
        let hostile = "</text></svg><script>document.title = 1</script>\"><a&b=c#d/e?f+g%20h";
        let long = (0..99).map(|n| format!("user-{n:0>27}"));
        let friends = [hostile.to_owned()].into_iter().chain(long);
        let pairs = friends.map(|friend| (hostile.to_owned(), friend));
        Chat::new().deliver(&app, &add(pairs)).await;
        show(driver, &app, "/", 1280).await;
        for _ in 0..2 {
            // To whom the page leads is the user whose name it is; all that is drawn is inside the picture.
            let link = By::Css("#latest td a, #friends a");
            let link = driver.find(link).await.unwrap();
            link.click().await.unwrap();
            assert_eq!(texts(driver, "h2 bdi").await, [hostile]);
            assert_eq!(texts(driver, "#friends a").await.len(), 60);
            let script = "
                const picture = document.querySelector('#friends').getBoundingClientRect();
                return [...document.querySelectorAll('#friends text')].filter(element => {
                    const box = element.getBoundingClientRect();
                    return box.left < picture.left - 1 || box.right > picture.right + 1;
                }).length";
            let outside = driver.execute(script, Vec::new()).await.unwrap();
            assert_eq!(*outside.json(), json!(0));
        }
        let next = driver.find(By::Id("next")).await.unwrap();
        next.click().await.unwrap();
        assert_eq!(texts(driver, "#friends a").await.len(), 40);
        assert_eq!(driver.title().await.unwrap(), "Friend graph");
    })
    .await;
}

#[tokio::test]
async fn no_script_may_run() {
    let database = Database::sqlite();
    let app = App::start(&database);
    let page = app.get("/?user=alice").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert_eq!(
        policy,
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'"
    );
    assert!(!page.text().await.unwrap().contains("<script"));
}
