//! The page, as a person sees it in a browser.

mod common;

use std::{
    env, fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use tempfile::TempDir;
use thirtyfour::prelude::*;
use tokio::time::{sleep, timeout};

use common::{App, Chat, Database, add, delete, skip};

/// The widths, in pixels, of a small and a usual phone, on both sides of each change, and of a laptop.
const WIDTHS: [u32; 8] = [320, 390, 599, 600, 719, 720, 850, 1280];
const PHONE: u32 = 390;
const LAPTOP: u32 = 1280;

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
        &format!("--user-data-dir={}", profile.path().display()),
    ] {
        capabilities.add_arg(argument).unwrap();
    }
    let driver = WebDriver::new(&chromedriver.url, capabilities).await;
    let test = async |driver| {
        let browser = Browser { driver };
        browser.resize(LAPTOP).await;
        test(browser).await;
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
    /// Makes the window as wide, and with it a phone or a laptop.
    async fn resize(&self, width: u32) {
        let metrics = json!({
            "width": width, "height": 1200, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        let command = "Emulation.setDeviceMetricsOverride";
        self.driver.cdp().send_raw(command, metrics).await.unwrap();
    }

    /// Prefers `light` or `dark`, as a person sets it for the whole machine.
    async fn prefer(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let media = json!({ "features": features });
        let command = "Emulation.setEmulatedMedia";
        self.driver.cdp().send_raw(command, media).await.unwrap();
    }

    async fn show(&self, app: &App, path: &str) {
        let url = format!("{}{path}", app.url);
        self.driver.goto(&url).await.unwrap();
    }

    /// Loads the page again until it has counted so many pairs.
    async fn wait_for_pairs(&self, pairs: &str) {
        for _ in 0..1000 {
            if self.text("#pairs").await == pairs {
                return;
            }
            self.driver.refresh().await.unwrap();
        }
        panic!("there are never {pairs} pairs");
    }

    async fn execute(&self, script: &str) -> Value {
        let result = self.driver.execute(script, Vec::new()).await.unwrap();
        result.json().clone()
    }

    /// The roles and names that assistive technology is told.
    async fn accessible_elements(&self) -> Vec<(String, String)> {
        let command = "Accessibility.getFullAXTree";
        let tree = self.driver.cdp().send_raw(command, json!({})).await;
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        let nodes = tree.unwrap()["nodes"].as_array().unwrap().clone();
        let told = nodes.iter().filter(|node| node["ignored"] == false);
        told.map(|node| (text(&node["role"]), text(&node["name"])))
            .collect()
    }

    async fn is_shown(&self, css: &str) -> bool {
        let element = self.driver.find(By::Css(css)).await.unwrap();
        element.is_displayed().await.unwrap()
    }

    /// The texts of elements, whether or not they are shown.
    async fn contents(&self, css: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll('CSS')].map(e => e.textContent)";
        let contents = self.execute(&script.replace("CSS", css)).await;
        serde_json::from_value(contents).unwrap()
    }

    async fn click_on(&self, css: &str) {
        self.click(self.driver.find(By::Css(css)).await.unwrap())
            .await;
    }

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
async fn a_person_sees_totals_latest_changes_and_a_users_friends() {
    in_a_browser(async |browser| {
        for database in Database::all() {
            let app = App::start(&database);
            browser.show(&app, "/").await;
            assert_eq!(browser.driver.title().await.unwrap(), "Friend graph");
            assert_eq!(
                browser.text("#nothing").await,
                "No callback has changed a friend yet."
            );
            browser.wait_for_pairs("0").await;

            let chat = Chat::new();
            let friends = ["bob", "carol", "dave", "erin", "frank", "grace", "heidi"];
            chat.deliver(&app, &add(friends.map(|friend| ("alice", friend))))
                .await;
            chat.deliver(&app, &add([("bob", "alice"), ("erin", "alice")]))
                .await;
            chat.deliver(&app, &delete([("alice", "frank")])).await;
            let last = add([("judy", "alice")]).query("OptPlatform", "macOS");
            chat.deliver(&app, &last).await;

            browser.wait_for_pairs("9").await;
            assert_eq!(browser.text("#users").await, "4");
            assert_latest_changes(&browser).await;

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

            browser.click_on("#friends a text").await;
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

async fn assert_latest_changes(browser: &Browser) {
    let headings = ["user", "added", "deleted", "asked by", "platform"];
    let mut shown = browser.texts("#latest thead th").await;
    assert_eq!(shown.pop().as_deref(), Some("when (UTC)"));
    assert_eq!(shown, headings);

    let cells = browser.texts("#latest tbody td").await;
    let rows: Vec<_> = cells.chunks(6).map(|row| &row[..5]).collect();
    assert_eq!(rows.len(), 10);
    assert!(
        rows.iter()
            .any(|row| *row == ["judy", "alice", "", "judy", "Mac"])
    );
    assert!(
        rows.iter()
            .any(|row| *row == ["alice", "", "frank", "", ""])
    );
    assert!(!rows.iter().any(|row| row[1] == "frank"));

    let times: Vec<_> = cells.chunks(6).map(|row| &row[5]).collect();
    assert!(times[0].starts_with("20"), "{times:?}");
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
}

#[tokio::test]
async fn a_person_with_a_phone_sees_lists() {
    in_a_browser(async |browser| {
        let database = Database::sqlite();
        let app = App::start(&database);
        let chat = Chat::new();
        let request = add([("alice", "bob"), ("alice", "carol"), ("bob", "alice")]);
        chat.deliver(&app, &request).await;
        chat.deliver(&app, &delete([("carol", "dave")])).await;
        browser.resize(PHONE).await;
        browser.show(&app, "/?user=alice").await;

        assert!(!browser.is_shown("#friends").await);
        assert!(!browser.is_shown(".legend").await);
        assert!(!browser.is_shown("#latest thead").await);
        let friends = browser.texts("#list li").await;
        assert!(
            friends[0].starts_with("bob\nboth ways, since 20"),
            "{friends:?}"
        );
        assert!(
            friends[1].starts_with("carol\none way, since 20"),
            "{friends:?}"
        );
        let labels = "return [...document.querySelectorAll('#latest tr.deleted td')]
            .filter(cell => getComputedStyle(cell).display != 'none')
            .map(cell => getComputedStyle(cell, '::before').content + cell.textContent)";
        let labels = browser.execute(labels).await;
        assert_eq!(labels[0], "nonecarol");
        assert_eq!(labels[1], "\" deleted \"dave");
        assert_eq!(labels.as_array().unwrap().len(), 3);

        browser.click_on("#list a").await;
        assert_eq!(browser.asked().await, "bob");
        assert_eq!(browser.texts("#list a").await, ["alice"]);
        browser.click_on("#latest tr.deleted a").await;
        assert_eq!(browser.asked().await, "carol");
    })
    .await;
}

#[tokio::test]
async fn every_friend_is_on_the_way_from_the_first_to_the_last() {
    in_a_browser(async |browser| {
        for database in Database::all() {
            let app = App::start(&database);
            let user = "alice/界 &?";
            let friend = |n: usize| format!("{}+{n:02} & {n}%?", n * 7 % 130);
            let pairs = (0..130).map(|n| (user.to_owned(), friend(n)));
            Chat::new().deliver(&app, &add(pairs)).await;
            for width in [PHONE, LAPTOP] {
                browser.resize(width).await;
                browser.show(&app, "/").await;
                browser.ask_for(user).await;
                assert_eq!(browser.contents("#first").await.len(), 0);
                let mut friends = browser.contents("#list bdi").await;
                for on_page in [60, 10] {
                    browser.click_on("#next").await;
                    let more = browser.contents("#list bdi").await;
                    assert_eq!(more.len(), on_page);
                    assert_eq!(browser.contents("#friends a").await.len(), on_page);
                    friends.extend(more);
                }
                assert_eq!(browser.contents("#next").await.len(), 0);
                let first = friends[0].clone();
                friends.sort();
                let mut expected: Vec<_> = (0..130).map(friend).collect();
                expected.sort();
                assert_eq!(friends, expected);

                browser.click_on("#first").await;
                assert_eq!(browser.contents("#list bdi").await[0], first);
            }
            browser.show(&app, "/?user=alice/界 %26?&after=z").await;
            assert_eq!(browser.text("#nobody").await, "There are no more.");
        }
    })
    .await;
}

/// Friends as many as are drawn, with names as long as UserIDs may be.
fn long_names() -> Vec<String> {
    (0..100).map(|n| format!("user-{n:0>27}")).collect()
}

#[tokio::test]
async fn names_can_be_read_at_every_width() {
    in_a_browser(async |browser| {
        let database = Database::sqlite();
        let app = App::start(&database);
        let chat = Chat::new();
        let friends = long_names();
        let (users, friends): (Vec<_>, Vec<_>) = (friends.iter())
            .flat_map(|friend| [("short", &friend[28..]), (&friends[0], friend)])
            .unzip();
        chat.deliver(&app, &add(users.into_iter().zip(friends)))
            .await;
        let long = format!("/?user={}", long_names()[0]);
        for path in ["/", "/?user=short", &long] {
            for width in WIDTHS {
                browser.resize(width).await;
                browser.show(&app, path).await;
                assert_eq!(
                    browser.execute(TOO_SMALL).await,
                    json!([]),
                    "{path} {width}"
                );
                let page = "return document.documentElement.scrollWidth";
                assert_eq!(
                    browser.execute(page).await,
                    width_of(&browser).await,
                    "{path} {width}"
                );
                if path == "/" {
                    continue;
                }
                let drawn = browser.is_shown("#friends").await;
                assert_ne!(browser.is_shown("#list").await, drawn, "{path} {width}");
                assert!(!drawn || width >= 600, "{path} {width}");
                assert!(drawn || width < LAPTOP, "{path} {width}");
            }
        }
    })
    .await;
}

/// The width that there is for the page, without a scroll bar.
async fn width_of(browser: &Browser) -> Value {
    let script = "return document.documentElement.clientWidth";
    browser.execute(script).await
}

/// Texts that are shown with letters of less than 11 pixels.
const TOO_SMALL: &str = "
    const size = element => {
        const scale = element.getScreenCTM ? element.getScreenCTM() : new DOMMatrix();
        return parseFloat(getComputedStyle(element).fontSize) * Math.hypot(scale.a, scale.b);
    };
    return [...document.querySelectorAll('main :not(:has(*))')]
        .filter(element => element.tagName != 'title' && element.checkVisibility())
        .filter(element => element.textContent.trim() && size(element) < 11)
        .map(element => [element.textContent, size(element)]);";

#[tokio::test]
async fn colours_have_the_contrast_of_wcag_aa() {
    in_a_browser(async |browser| {
        let database = Database::sqlite();
        let app = App::start(&database);
        let chat = Chat::new();
        browser.show(&app, "/?user=nobody").await;
        assert_contrast(&browser).await;
        let pairs = long_names()
            .into_iter()
            .map(|friend| ("alice".to_owned(), friend));
        chat.deliver(&app, &add(pairs)).await;
        chat.deliver(&app, &delete([("alice", "bob")])).await;
        let next = format!("/?user=alice&after={}", long_names()[20]);
        browser.show(&app, &next).await;
        browser.wait_for_pairs("100").await;
        assert_contrast(&browser).await;
    })
    .await;
}

async fn assert_contrast(browser: &Browser) {
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await;
        for width in [PHONE, LAPTOP] {
            browser.resize(width).await;
            let found = browser.execute(CONTRAST).await;
            assert_eq!(found["dark"], scheme == "dark");
            assert_eq!(found["low"], json!([]), "{scheme} {width}");
            assert!(
                found["seen"].as_u64() > Some(10),
                "{scheme} {width}: {found}"
            );
        }
    }
}

/// What has less contrast than 4.5 to 1, or 3 to 1 if it is not text: success criteria 1.4.3 and 1.4.11.
const CONTRAST: &str = "
    const parse = color => color.match(/[\\d.]+/g).map(Number);
    const linear = part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    const luminance = color => {
        const [red, green, blue] = color.map(part => linear(part / 255));
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const ratio = (a, b) => {
        const [dark, light] = [luminance(a), luminance(b)].sort((a, b) => a - b);
        return (light + 0.05) / (dark + 0.05);
    };
    const ground = element => {
        const color = parse(getComputedStyle(element).backgroundColor);
        return color[3] === 0 ? ground(element.parentElement) : color;
    };
    const low = [];
    let seen = 0;
    const check = (element, color, behind, least) => {
        const found = ratio(parse(color), behind);
        seen += 1;
        if (found < least) low.push([element.outerHTML, color, found]);
    };
    for (const element of document.querySelectorAll('main, main :not(title)')) {
        if (!element.checkVisibility()) continue;
        const style = getComputedStyle(element);
        const shape = ['line', 'circle'].includes(element.tagName);
        const hasText = [...element.childNodes].some(node => node.nodeType == 3 && node.data.trim());
        if (element.tagName == 'text') check(element, style.fill, ground(element), 4.5);
        else if (hasText || element.tagName == 'INPUT') check(element, style.color, ground(element), 4.5);
        if (shape) check(element, element.matches('.hub') ? style.fill : style.stroke, ground(element), 3);
        if (element.tagName == 'INPUT') check(element, style.borderTopColor, ground(element.parentElement), 3);
        if (element.matches('.key')) check(element, style.borderTopColor, ground(element), 3);
        for (const pseudo of ['::before', '::after']) {
            const generated = getComputedStyle(element, pseudo);
            if (generated.content != 'none') check(element, generated.color, ground(element), 4.5);
        }
    }
    const dark = luminance(ground(document.body)) < 0.5;
    return { dark, low, seen };";

#[tokio::test]
async fn the_page_says_what_it_is_made_of() {
    in_a_browser(async |browser| {
        let database = Database::sqlite();
        let app = App::start(&database);
        let pairs = long_names()
            .into_iter()
            .map(|friend| ("alice".to_owned(), friend));
        Chat::new().deliver(&app, &add(pairs)).await;
        browser.show(&app, "/?user=alice").await;
        assert_eq!(browser.contents("body > main").await.len(), 1);
        assert_eq!(browser.contents("th:not([scope=col])").await.len(), 0);
        assert_eq!(browser.contents("[role=img]").await.len(), 0);
        assert_eq!(browser.contents("label[for=user]").await.len(), 1);

        let told = browser.accessible_elements().await;
        let is_told = |role: &str, name: &str| {
            let found = told.iter().any(|(r, n)| r == role && n.contains(name));
            assert!(found, "{role} {name}: {told:?}");
        };
        is_told("main", "");
        is_told("group", "Friends of alice");
        is_told("link", &long_names()[0]);
        is_told("textbox", "UserID");
        is_told("navigation", "More friends");
        is_told("columnheader", "asked by");
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
    let html = page.text().await.unwrap();
    assert!(
        html.ends_with("</html>") && !html.contains("<script"),
        "{html}"
    );
}

#[tokio::test]
async fn nobody_waits_while_a_large_table_is_counted() {
    for database in Database::all() {
        let app = App::start(&database);
        let mut connection = database.connect().await;
        let fill = "
            WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 199999)
            INSERT INTO friends (from_account, to_account, first_seen, last_seen)
            SELECT 'user' || (n / 2), 'friend' || n, n, n FROM numbers";
        connection.execute(fill).await.unwrap();
        let page = app.get("/").await.text().await.unwrap();
        assert!(page.contains("not counted yet"), "{page}");
        assert!(page.contains("friend199999"), "{page}");
        wait_for_totals(&app, "200,000", "100,000").await;

        // The last count is shown until there is a new one.
        Chat::new().deliver(&app, &add([("alice", "bob")])).await;
        let page = app.get("/").await.text().await.unwrap();
        assert!(page.contains(">200,000<"), "{page}");
        wait_for_totals(&app, "200,001", "100,001").await;
    }
}

async fn wait_for_totals(app: &App, pairs: &str, users: &str) {
    let [pairs, users] = [pairs, users].map(|count| format!(">{count}<"));
    let wait = async {
        loop {
            let page = app.get("/").await.text().await.unwrap();
            if page.contains(&pairs) && page.contains(&users) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = timeout(Duration::from_secs(60), wait).await;
    in_time.unwrap_or_else(|_| panic!("there are never {pairs} and {users}: {}", app.log()));
}

#[tokio::test]
async fn a_count_does_not_delay_the_stop() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let app = App::start(&database);
    let mut connection = database.connect().await;
    let mut transaction = connection.begin().await.unwrap();
    let lock = "LOCK TABLE friends IN ACCESS EXCLUSIVE MODE";
    transaction.execute(lock).await.unwrap();
    // The page gives up, and its count still waits.
    assert_eq!(app.get("/").await.status(), 503);
    let counts = "SELECT count(*) FROM pg_stat_activity
                  WHERE wait_event_type = 'Lock' AND query LIKE '%DISTINCT%'";
    let counts: i64 = sqlx::query_scalar(counts)
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    assert_eq!(counts, 1);
    let stop = Instant::now();
    app.terminate();
    assert!(app.wait().await.success());
    assert!(stop.elapsed() < Duration::from_secs(5));
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
    assert_eq!(browser.execute(script).await, json!([]));
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
            "a\u{202e}exe.doc",
        ];
        let chat = Chat::new();
        let long = long_names();
        for user in hostile {
            let friends = hostile.into_iter().chain(long.iter().map(String::as_str));
            chat.deliver(&app, &add(friends.map(|friend| (user, friend))))
                .await;
        }
        for (width, link) in [(LAPTOP, "#friends a text"), (PHONE, "#list a")] {
            browser.resize(width).await;
            browser.show(&app, "/").await;
            for (n, user) in hostile.into_iter().enumerate() {
                browser.ask_for(user).await;
                assert_eq!(browser.contents("h2 bdi").await, [user]);
                assert_eq!(browser.texts("#friends a").await.len(), 60);
                assert_eq!(browser.contents("#list bdi").await.len(), 60);
                if width == LAPTOP {
                    assert_inside_the_picture(&browser).await;
                }
                assert_eq!(browser.execute(NOT_ISOLATED).await, json!([]));

                // A link leads to the user whose name it shows, if only the start of it.
                let links = browser.driver.find_all(By::Css(link)).await.unwrap();
                let name = links[n].prop("textContent").await.unwrap().unwrap();
                browser.click(links[n].clone()).await;
                let asked = browser.asked().await;
                assert!(
                    asked.starts_with(name.trim_end_matches('…')),
                    "{name} to {asked}"
                );
            }
        }
        for tag in ["script", "img"] {
            assert_eq!(browser.texts(tag).await.len(), 0);
        }
        assert_eq!(browser.texts("h1").await, ["Friend graph"]);
        assert_eq!(browser.driver.title().await.unwrap(), "Friend graph");
    })
    .await;
}

/// Texts in which a name could change the direction of the words around it.
const NOT_ISOLATED: &str = "
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        if (!node.data.includes('\\u202e') || node.parentElement.matches('bdi, text')) continue;
        if (!node.data.replace(/\\u2068[^\\u2069]*\\u2069/g, '').includes('\\u202e')) continue;
        found.push(node.data);
    }
    return found;";
