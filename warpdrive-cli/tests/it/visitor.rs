//! Somebody with a browser: one connection, cookies, forms.

use std::collections::BTreeMap;

use testkit::{Client, Response};

use crate::warpdrive::Proxy;

/// A connection that keeps cookies.
pub(crate) struct Visitor {
    client: Client,
    host: String,
    /// Fields to send with every request, each line with its end.
    pub(crate) fields: String,
    cookies: BTreeMap<String, String>,
}

impl Visitor {
    /// Somebody who knows the proxy by its address.
    pub(crate) fn new(proxy: &Proxy) -> Visitor {
        Visitor::of(proxy, &proxy.host())
    }

    /// Somebody who knows it by this host.
    pub(crate) fn of(proxy: &Proxy, host: &str) -> Visitor {
        let client = Client::connect(proxy.port).unwrap();
        Visitor { client, host: host.to_owned(), fields: String::new(), cookies: BTreeMap::new() }
    }

    pub(crate) fn get(&mut self, target: &str) -> Response {
        self.send("GET", target, "", "")
    }

    /// Submits a form, as a browser does on a page of that origin.
    pub(crate) fn post(&mut self, target: &str, origin: &str, form: &[(&str, &str)]) -> Response {
        let pairs: Vec<String> =
            form.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        let body = pairs.join("&");
        let fields = format!(
            "Origin: {origin}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            body.len()
        );
        self.send("POST", target, &fields, &body)
    }

    /// Sends a request and reads its response, with cookies both ways.
    pub(crate) fn send(&mut self, method: &str, target: &str, fields: &str, body: &str) -> Response {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n{}{fields}", self.host, self.fields);
        if !self.cookies.is_empty() {
            head.push_str(&format!("Cookie: {}\r\n", self.cookies()));
        }
        self.client.send(format!("{head}\r\n{body}")).unwrap();
        let response = self.client.response_to(method).unwrap();
        for cookie in response.headers.all("set-cookie") {
            let pair = cookie.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        response
    }

    /// The value of the `Cookie` field.
    pub(crate) fn cookies(&self) -> String {
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    /// The origin of the pages that this visitor sees.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.host)
    }

    /// Fills in the form of the login page.
    pub(crate) fn log_in(&mut self, user: &str) -> Response {
        let token = csrf_token(&self.get("/login").text());
        let origin = self.origin();
        self.post("/login", &origin, &[("authenticity_token", &token), ("user", user)])
    }
}

/// The token in a page's first form.
pub(crate) fn csrf_token(page: &str) -> String {
    let find = || {
        let (_, rest) = page.split_once("authenticity_token")?;
        let (_, rest) = rest.split_once("value=")?;
        let quote = rest.chars().next()?;
        rest.split(quote).nth(1)
    };
    find().unwrap_or_else(|| panic!("no form with a token: {page}")).to_owned()
}

/// The URL-encoded form of a name or value.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(escape).collect()
}
