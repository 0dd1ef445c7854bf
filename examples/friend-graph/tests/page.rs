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

/// A headless Chromium.
struct Browser {
    driver: WebDriver,
}

/// Runs a test in a browser, and closes it whatever becomes of the test.
async fn in_a_browser(test: impl AsyncFnOnce(Browser)) {
    let Some(chromedriver) = Chromedriver::start() else {
        return skip("chromedriver");
    };
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
        "--force-color-profile=srgb",
        "--window-size=1000,1400",
        &format!("--user-data-dir={}", profile.path().display()),
    ] {
        capabilities.add_arg(argument).unwrap();
    }
    let driver = WebDriver::new(&chromedriver.url, capabilities).await;
    let test = async |driver| {
        test(Browser { driver }).await;
        Ok::<_, WebDriverError>(())
    };
    driver.unwrap().run_and_quit(test).await.unwrap();
}

/// What tells the browser what to do.
struct Chromedriver {
    process: Child,
    url: String,
}

impl Chromedriver {
    /// `None` where it is not installed.
    fn start() -> Option<Self> {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let mut lines = stdout.lines().map(Result::unwrap);
        let port = lines.find_map(|line| {
            let (_, port) = line.split_once("successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let port = port.expect("chromedriver tells its port");
        let url = format!("http://127.0.0.1:{port}");
        Some(Self { process, url })
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Browser {
    async fn text(&self, css: &str) -> String {
        let element = self.driver.find(By::Css(css)).await.unwrap();
        assert!(element.is_displayed().await.unwrap(), "{css}");
        element.text().await.unwrap()
    }

    async fn texts(&self, css: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for element in self.driver.find_all(By::Css(css)).await.unwrap() {
            texts.push(element.text().await.unwrap());
        }
        texts
    }

    /// Fills in a user, and presses the button.
    async fn ask_for(&self, user: &str) {
        let field = self.driver.find(By::Id("user")).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(user).await.unwrap();
        let button = self.driver.find(By::Css("form button")).await.unwrap();
        self.click(button).await;
    }

    /// Clicks on what leads to another page, and waits for it.
    async fn click(&self, element: WebElement) {
        element.click().await.unwrap();
        element.wait_until().stale().await.unwrap();
    }

    /// The user who is asked for.
    async fn asked(&self) -> String {
        let field = self.driver.find(By::Id("user")).await.unwrap();
        field.value().await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn a_person_sees_totals_latest_additions_and_a_users_friends() {
    in_a_browser(async |browser| {
        for database in Database::all() {
            let app = App::start(&database);
            browser.driver.goto(&app.url).await.unwrap();
            assert_eq!(browser.driver.title().await.unwrap(), "Friend graph");
            assert_eq!(browser.text("#pairs").await, "0");
            assert_eq!(
                browser.text("#nothing").await,
                "No callback has added a friend yet."
            );

            let chat = Chat::new();
            let friends = ["bob", "carol", "dave", "erin", "frank", "grace", "heidi"];
            chat.deliver(&app, &add(friends.map(|friend| ("alice", friend))))
                .await;
            chat.deliver(&app, &add([("bob", "alice"), ("erin", "alice")]))
                .await;
            chat.deliver(&app, &delete([("alice", "frank")])).await;
            let last = add([("judy", "alice")]).query("OptPlatform", "macOS");
            chat.deliver(&app, &last).await;

            browser.driver.refresh().await.unwrap();
            assert_eq!(browser.text("#pairs").await, "9");
            assert_eq!(browser.text("#users").await, "4");
            let latest = browser.texts("#latest tbody tr").await;
            assert_eq!(latest.len(), 9);
            assert!(
                latest[0].starts_with("judy alice judy Mac 20"),
                "{latest:?}"
            );
            assert!(latest[0].ends_with('Z'), "{latest:?}");

            browser.ask_for("alice").await;
            let drawn = ["bob", "carol", "dave", "erin", "grace", "heidi"];
            assert_eq!(browser.texts("#friends a text").await, drawn);
            assert_eq!(browser.text("#friends .user").await, "alice");
            assert_eq!(browser.texts("#friends line").await.len(), 6);
            assert_eq!(browser.texts("#friends line.one-way").await.len(), 4);
            assert_inside_the_picture(&browser).await;
            if let Some(file) = env::var_os("SCREENSHOT") {
                fs::write(file, browser.driver.screenshot_as_png().await.unwrap()).unwrap();
            }

            let bob = browser
                .driver
                .find(By::Css("#friends a text"))
                .await
                .unwrap();
            browser.click(bob).await;
            assert_eq!(browser.text("#friends .user").await, "bob");
            assert_eq!(browser.texts("#friends a text").await, ["alice"]);

            browser.ask_for("mallory").await;
            let nobody = "Nobody is known to be a friend of mallory.";
            assert_eq!(browser.text("#nobody").await, nobody);
            assert_eq!(browser.texts("#friends").await.len(), 0);
        }
    })
    .await;
}

/// Names may be as long as UserIDs are, and friends as many as are drawn: nothing is cut off.
async fn assert_inside_the_picture(browser: &Browser) {
    let script = "
        const picture = document.querySelector('#friends').getBoundingClientRect();
        return [...document.querySelectorAll('#friends :is(circle, text)')].filter(element => {
            const box = element.getBoundingClientRect();
            return box.left < picture.left - 1 || box.right > picture.right + 1
                || box.top < picture.top - 1 || box.bottom > picture.bottom + 1;
        }).map(element => element.textContent);";
    let outside = browser.driver.execute(script, Vec::new()).await.unwrap();
    assert_eq!(*outside.json(), json!([]));
}

#[tokio::test]
async fn names_are_shown_as_they_are_and_do_nothing() {
    in_a_browser(async |browser| {
        let database = Database::sqlite();
        let app = App::start(&database);
        let hostile = [
            "<script>document.title = 1</script>",
            "\"><img src=x onerror=alert(1)>",
            "javascript:alert(1)",
            "a&b=c#d/e?f+g%20h",
            "</text></svg><h1>forged</h1>",
            "界 {{ 7 * 7 }} \u{202e}",
        ];
        let chat = Chat::new();
        let long: Vec<_> = (0..100).map(|n| format!("user-{n:0>27}")).collect();
        for user in hostile {
            let friends = hostile.into_iter().chain(long.iter().map(String::as_str));
            chat.deliver(&app, &add(friends.map(|friend| (user, friend))))
                .await;
        }
        browser.driver.goto(&app.url).await.unwrap();
        for (n, user) in hostile.into_iter().enumerate() {
            browser.ask_for(user).await;
            let shown = browser
                .driver
                .find(By::Css("#friends .user"))
                .await
                .unwrap();
            let shown = shown.prop("textContent").await.unwrap();
            assert_eq!(shown.as_deref(), Some(user));
            assert_eq!(browser.texts("#friends a").await.len(), 60);
            assert!(
                browser
                    .text("#friends + p")
                    .await
                    .contains("Only the first 60 friends")
            );
            assert_inside_the_picture(&browser).await;

            // A link leads to the user whose name it shows, if only the start of it.
            let links = By::Css("#friends a text");
            let link = browser.driver.find_all(links).await.unwrap().remove(n);
            let name = link.prop("textContent").await.unwrap().unwrap();
            browser.click(link).await;
            let asked = browser.asked().await;
            assert!(
                asked.starts_with(name.trim_end_matches('…')),
                "{name} to {asked}"
            );
        }
        for tag in ["script", "img"] {
            assert_eq!(browser.texts(tag).await.len(), 0);
        }
        assert_eq!(browser.texts("h1").await, ["Friend graph"]);
        assert_eq!(browser.driver.title().await.unwrap(), "Friend graph");
    })
    .await;
}
