//! ActionCable's protocol through the proxy, in a process of its own behind `/cable`.

use std::io;

use testkit::{Json, WebSocket};

use crate::rails::{another_puma, replace_once, stack};
use crate::visitor::Visitor;
use crate::warpdrive::Proxy;

/// A subscriber of a room.
struct Cable {
    socket: WebSocket,
    identifier: String,
}

impl Cable {
    /// Shakes hands as a page of that origin does.
    fn open(proxy: &Proxy, host: &str, origin: &str, cookies: &str) -> io::Result<WebSocket> {
        let fields = [
            ("Origin", origin),
            ("Cookie", cookies),
            ("Sec-WebSocket-Protocol", "actioncable-v1-json, actioncable-unsupported"),
        ];
        WebSocket::connect_with(proxy.port, host, "/cable", &fields)
    }

    /// Comes in through the proxy's address.
    fn join(proxy: &Proxy, room: &str) -> Cable {
        Cable::join_as(proxy, &proxy.host(), room, "")
    }

    fn join_as(proxy: &Proxy, host: &str, room: &str, cookies: &str) -> Cable {
        let socket = Cable::open(proxy, host, &format!("http://{host}"), cookies).unwrap();
        assert_eq!(socket.handshake().header("sec-websocket-protocol"), Some("actioncable-v1-json"));
        let identifier = format!(r#"{{"channel":"RoomChannel","room":"{room}"}}"#);
        let mut cable = Cable { socket, identifier };
        assert_eq!(cable.next()["type"], "welcome");
        cable.send("subscribe", "");
        let confirmation = cable.next();
        assert_eq!(confirmation["type"], "confirm_subscription", "{confirmation}");
        assert_eq!(confirmation["identifier"], cable.identifier);
        cable
    }

    fn send(&mut self, command: &str, data: &str) {
        let (command, identifier, data) = (Json::from(command), Json::from(&*self.identifier), Json::from(data));
        let text = format!(r#"{{"command":{command},"identifier":{identifier},"data":{data}}}"#);
        self.socket.send_text(&text).unwrap();
    }

    fn speak(&mut self, text: &str) {
        self.send("message", &format!(r#"{{"action":"speak","text":{}}}"#, Json::from(text)));
    }

    fn any(&mut self) -> Json {
        self.socket.frame().unwrap().text().parse().unwrap()
    }

    /// The next message that is no ping.
    fn next(&mut self) -> Json {
        loop {
            let message = self.any();
            if message["type"] != "ping" {
                return message;
            }
        }
    }

    /// Who said what.
    fn heard(&mut self) -> (String, String) {
        let message = self.next();
        assert_eq!(message["identifier"], self.identifier, "{message}");
        let part = |name: &str| message["message"][name].as_str().unwrap_or_default().to_owned();
        (part("user"), part("text"))
    }
}

fn said(user: &str, text: &str) -> (String, String) {
    (user.to_owned(), text.to_owned())
}

#[test]
fn what_one_subscriber_says_all_of_the_room_hear() {
    let proxy = stack().proxy();
    let mut first = Cable::join(&proxy, "tea");
    let mut second = Cable::join_as(&proxy, "www.example.com:8080", "tea", "");
    let mut elsewhere = Cable::join(&proxy, "coffee");
    first.speak("hello");
    second.speak("grüezi");
    for cable in [&mut first, &mut second] {
        let mut heard = [cable.heard(), cable.heard()];
        heard.sort();
        assert_eq!(heard, [said("a guest", "grüezi"), said("a guest", "hello")]);
    }
    let long = "x".repeat(100_000);
    second.speak(&long);
    assert_eq!(first.heard(), said("a guest", &long));
    elsewhere.speak("alone");
    assert_eq!(elsewhere.heard(), said("a guest", "alone"));
}

#[test]
fn what_rails_broadcasts_reaches_every_subscriber() {
    let proxy = stack().proxy();
    let mut cables = [Cable::join(&proxy, "news"), Cable::join(&proxy, "news")];
    let form = [("room", "news"), ("text", "extra")];
    assert_eq!(Visitor::new(&proxy).post("/say", "http://anywhere", &form).status, 202);
    for cable in &mut cables {
        assert_eq!(cable.heard(), said("a program", "extra"));
    }
}

#[test]
fn a_subscriber_is_who_has_logged_in() {
    let proxy = stack().proxy();
    let mut visitor = Visitor::new(&proxy);
    assert_eq!(visitor.log_in("grace").status, 302);
    let mut cable = Cable::join_as(&proxy, &proxy.host(), "desk", &visitor.cookies());
    cable.speak("it is me");
    assert_eq!(cable.heard(), said("grace", "it is me"));
}

#[test]
fn pings_come_while_nobody_speaks() {
    let proxy = stack().proxy();
    let mut cable = Cable::join(&proxy, "quiet");
    let first = cable.any();
    assert_eq!(first["type"], "ping");
    let second = cable.any();
    assert!(second["message"].as_u64() > first["message"].as_u64(), "{first} {second}");
    cable.socket.send_close(1000).unwrap();
    let close = loop {
        let frame = cable.socket.frame().unwrap();
        if frame.close_code().is_some() {
            break frame;
        }
    };
    assert_eq!(close.close_code(), Some(1000));
    assert!(cable.socket.client().wait_end().is_ok());
}

#[test]
fn a_page_of_another_origin_is_refused() {
    let proxy = stack().proxy();
    let host = proxy.host();
    for origin in ["http://evil.example", "http://127.0.0.1", &format!("https://{host}")] {
        let error = Cable::open(&proxy, &host, origin, "").unwrap_err();
        assert!(error.to_string().contains("status: 404"), "{origin}: {error}");
    }
}

#[test]
fn subscribers_learn_at_once_that_the_cable_server_has_stopped() {
    let (puma, socket) = another_puma("cable", "cable.ru");
    let proxy = stack().proxy_with(|file| {
        let file = replace_once(&file, "# By host", &format!("[upstreams.brief]\nsocket = {socket:?}\n# By host"));
        file.replace("upstream = \"cable\"", "upstream = \"brief\"")
    });
    let mut cable = Cable::join(&proxy, "last orders");
    puma.terminate();
    // Puma says no farewell, and neither may the proxy hold the connection.
    let left = loop {
        match cable.socket.frame() {
            Ok(frame) => assert!(frame.text().contains("ping"), "{frame:?}"),
            Err(error) => break error.kind(),
        }
    };
    assert!(matches!(left, io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset), "{left:?}");
    // A page tries again, and is told that nobody is there.
    let host = proxy.host();
    let error = Cable::open(&proxy, &host, &format!("http://{host}"), "").unwrap_err();
    assert!(error.to_string().contains("status: 502"), "{error}");
}
