//! Debian's Chromium on the pages of the Rails example, driven over its DevTools protocol.

use testkit::{Client, Json, Process, Program, WebSocket, WorkFolder};

use crate::rails::{ADMIN_TOKEN, stack};
use crate::visitor::Visitor;

/// A running browser without a window.
struct Browser {
    port: u16,
    _process: Process,
    _profile: WorkFolder,
}

impl Browser {
    fn start() -> Browser {
        let profile = WorkFolder::new();
        let process = Program::new("chromium")
            // It opens the test's own pages alone, and its sandbox refuses to start as the superuser.
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"])
            .args(["--no-first-run", "--disable-background-networking", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .start();
        let port = process.wait_for_match(|line| {
            let (_, rest) = line.split_once("DevTools listening on ws://127.0.0.1:")?;
            rest.split('/').next()?.parse().ok()
        });
        Browser { port, _process: process, _profile: profile }
    }

    /// Opens a page in a tab of its own.
    fn open(&self, url: &str) -> Page {
        let host = format!("127.0.0.1:{}", self.port);
        let mut client = Client::connect(self.port).unwrap();
        client.send(format!("PUT /json/new?about:blank HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
        let tab = client.response().unwrap().json();
        let address = tab["webSocketDebuggerUrl"].as_str().unwrap();
        let (_, target) = address.strip_prefix("ws://").unwrap().split_once('/').unwrap();
        let socket = WebSocket::connect(self.port, &host, &format!("/{target}")).unwrap();
        let mut page = Page { socket, calls: 0 };
        // Answered when the new document is there.
        page.call("Page.navigate", &format!(r#"{{"url":{}}}"#, Json::from(url)));
        page.loaded();
        page
    }
}

/// A page in the browser.
struct Page {
    socket: WebSocket,
    calls: u64,
}

impl Page {
    fn message(&mut self) -> Json {
        let mut text = Vec::new();
        loop {
            let frame = self.socket.frame().unwrap();
            text.extend(frame.payload);
            if frame.last {
                return String::from_utf8(text).unwrap().parse().unwrap();
            }
        }
    }

    /// Waits until the document and its style sheets have come.
    fn loaded(&mut self) {
        self.evaluate(
            "new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', () => done()))",
        );
    }

    /// Submits the page's form and waits for the page that follows.
    fn submit(&mut self) {
        self.call("Page.enable", "{}");
        self.evaluate("document.querySelector('form').submit()");
        while self.message()["method"] != "Page.frameNavigated" {}
        self.loaded();
    }

    fn call(&mut self, method: &str, parameters: &str) -> Json {
        self.calls += 1;
        let id = self.calls;
        self.socket.send_text(&format!(r#"{{"id":{id},"method":"{method}","params":{parameters}}}"#)).unwrap();
        loop {
            let message = self.message();
            if message["id"] == id {
                return message["result"].clone();
            }
        }
    }

    /// The value of an expression, or of its promise once that is kept.
    fn evaluate(&mut self, expression: &str) -> Json {
        let expression = Json::from(expression);
        let parameters = format!(r#"{{"expression":{expression},"awaitPromise":true,"returnByValue":true}}"#);
        let result = self.call("Runtime.evaluate", &parameters);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until the room shows a line with this text, and returns the line.
    fn heard(&mut self, text: &str) -> String {
        let text = Json::from(text);
        let line = self.evaluate(&format!(
            "new Promise((found) => {{
                const list = document.getElementById('messages');
                const look = () => {{
                    const line = [...list.children].find((line) => line.textContent.includes({text}));
                    if (line) found(line.textContent);
                }};
                new MutationObserver(look).observe(list, {{ childList: true }});
                look();
            }})"
        ));
        line.as_str().unwrap().to_owned()
    }
}

#[test]
fn a_browser_logs_in_talks_over_the_cable_and_sees_sidekiqs_styles() {
    let proxy = stack().proxy();
    let browser = Browser::start();

    // The script of the page connects to /cable and says so when it has subscribed.
    let mut page = browser.open(&proxy.url("/"));
    assert_eq!(page.heard("has come in"), "a guest: has come in");
    let form = [("room", "lobby"), ("text", "from outside")];
    assert_eq!(Visitor::new(&proxy).post("/say", "http://anywhere", &form).status, 202);
    assert_eq!(page.heard("from outside"), "a program: from outside");
    let first = "new Promise((come) => {
        const feed = new EventSource('/feed?room=browser');
        feed.addEventListener('open', (event) => { if (event.data) { feed.close(); come(event.data); } });
    })";
    assert!(page.evaluate(first).as_str().unwrap().starts_with("web"));

    // The browser's own Origin and cookies.
    let mut login = browser.open(&proxy.url("/login"));
    login.evaluate("document.getElementById('user').value = 'ada'");
    login.submit();
    assert_eq!(login.evaluate("location.pathname + ' ' + JSON.parse(document.body.innerText).user"), "/me ada");
    let mut page = browser.open(&proxy.url("/"));
    assert_eq!(page.heard("ada"), "ada: has come in");

    // The style sheets come only where their links carry the prefix and the password goes along.
    let mut sidekiq = browser.open(&format!("http://admin:{ADMIN_TOKEN}@{}/sidekiq", proxy.host()));
    assert_eq!(sidekiq.evaluate("document.title"), "Sidekiq");
    assert_eq!(sidekiq.evaluate("getComputedStyle(document.querySelector('.navbar-fixed-top')).position"), "fixed");
}
