//! Health checks of real Pumas.

use testkit::{Client, Signal, WorkFolder};

use crate::puma::Puma;
use crate::warpdrive::Proxy;

/// A process that is stopped takes connections and answers nothing: only a check with a path tells.
#[test]
fn a_stopped_puma_is_taken_out_and_comes_back() {
    let folder = WorkFolder::new();
    let pumas = [Puma::unix("first", "config.ru", &folder), Puma::tcp("second", "config.ru", &folder)];
    let instances: String = pumas.iter().map(|puma| format!("[[upstreams.app.instances]]\n{}", puma.toml())).collect();
    let health = "path = \"/up\"\ninterval_secs = 0.2\ntimeout_secs = 1\nunhealthy_threshold = 2";
    let text = format!("[upstreams.app.health]\n{health}\n{instances}[[routes]]\nupstream = \"app\"\n");
    let proxy = Proxy::with_config(&folder, &text);
    let ask = || {
        let mut client = Client::connect(proxy.port).unwrap();
        client.send("GET /up HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n\r\n").unwrap();
        client.response().unwrap().status
    };
    assert_eq!(ask(), 200);
    pumas[0].signal(Signal::STOP);
    let line = proxy.process.wait_for_line("the instance is down");
    assert!(line.contains("no answer within 1 seconds"), "{line}");
    for _ in 0..20 {
        assert_eq!(ask(), 200);
    }
    pumas[0].signal(Signal::CONT);
    proxy.process.wait_for_line("the instance is up again");
    assert_eq!(ask(), 200);
}
