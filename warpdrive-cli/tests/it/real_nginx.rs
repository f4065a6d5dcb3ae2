//! In front of Debian's nginx: what the answer says of itself passes untouched.

use std::path::Path;

use testkit::WorkFolder;

use crate::curl::{self, curl};
use crate::nginx::Nginx;
use crate::warpdrive::{Proxy, warpdrive};

/// What belongs to one hop or to the moment, and what the proxy adds of its own.
const OWN: &[&str] = &["connection", "keep-alive", "transfer-encoding", "date", "x-request-id"];

/// Status line, fields in order of their names, and body.
fn ask(folder: &Path, url: &str, options: &[&str]) -> (String, Vec<String>, Vec<u8>) {
    let (head, body) = (folder.join("head"), folder.join("body"));
    std::fs::write(&body, b"").unwrap();
    let asked = curl().arg("-D").arg(&head).arg("-o").arg(&body).args(options.iter().copied()).arg(url).run();
    curl::succeeded(&asked);
    let head = std::fs::read_to_string(head).unwrap();
    let mut lines = head.lines().map(str::to_owned);
    let status = lines.next().unwrap();
    let is_own = |line: &String| {
        let name = line.split(':').next().unwrap().to_ascii_lowercase();
        OWN.contains(&name.as_str())
    };
    let mut fields: Vec<String> = lines
        .filter(|line| !line.is_empty() && !is_own(line))
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            // The boundary is drawn anew for each answer.
            let value = value.split("boundary=").next().unwrap();
            format!("{}:{value}", name.to_ascii_lowercase())
        })
        .collect();
    fields.sort_unstable();
    (status, fields, std::fs::read(body).unwrap())
}

/// The boundary of a multipart body differs from answer to answer: digits after two hyphens.
fn without_boundary(body: &[u8]) -> Vec<Vec<u8>> {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
    lines.filter(|line| !(line.starts_with(b"--") && line.iter().all(|byte| b"-0123456789\r".contains(byte)))).collect()
}

#[test]
fn ranges_conditions_and_compression_are_the_application_s() {
    let folder = WorkFolder::new();
    let files = folder.join("files");
    std::fs::create_dir(&files).unwrap();
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(|number| [(number >> 8) as u8]).collect();
    std::fs::write(files.join("large.bin"), &large).unwrap();
    std::fs::write(files.join("text.txt"), "a line that is there again and again\n".repeat(2000)).unwrap();
    let nginx = Nginx::start(&folder);
    let program = warpdrive().cwd(folder.path());
    let proxy = Proxy::start(program.env("WARPDRIVE_TARGET_PORT", nginx.port.to_string()));
    let direct = |target: &str| format!("http://127.0.0.1:{}{target}", nginx.port);
    let (_, fields, _) = ask(folder.path(), &direct("/large.bin"), &[]);
    let etag = fields.iter().find_map(|field| field.strip_prefix("etag: ")).unwrap().to_owned();
    let modified = fields.iter().find_map(|field| field.strip_prefix("last-modified: ")).unwrap().to_owned();
    let field = |name: &str, value: &str| format!("{name}: {value}");
    let same = field("If-None-Match", &etag);
    let other = field("If-None-Match", "\"x\"");
    let since = field("If-Modified-Since", &modified);
    let (if_same, if_other) = (field("If-Range", &etag), field("If-Range", "\"x\""));
    for (target, options, status) in [
        ("/large.bin", &[][..], "200"),
        ("/large.bin", &["-I"], "200"),
        ("/large.bin", &["-r", "0-0"], "206"),
        ("/large.bin", &["-r", "1000000-2999999"], "206"),
        ("/large.bin", &["-r", "-5"], "206"),
        ("/large.bin", &["-r", "2999990-"], "206"),
        ("/large.bin", &["-r", "0-9,100-199,-7"], "206"),
        ("/large.bin", &["-r", "3000000-"], "416"),
        ("/large.bin", &["-I", "-r", "0-9"], "206"),
        ("/large.bin", &["-r", "0-9", "-H", &if_same], "206"),
        ("/large.bin", &["-r", "0-9", "-H", &if_other], "200"),
        ("/large.bin", &["-H", &same], "304"),
        ("/large.bin", &["-I", "-H", &same], "304"),
        ("/large.bin", &["-H", &other], "200"),
        ("/large.bin", &["-H", &since], "304"),
        ("/large.bin", &["-H", "If-Match: \"x\""], "412"),
        ("/text.txt", &["-H", "Accept-Encoding: gzip"], "200"),
        ("/text.txt", &["-I", "-H", "Accept-Encoding: gzip"], "200"),
        ("/text.txt", &["-H", "Accept-Encoding: identity"], "200"),
        ("/text.txt", &["--http1.0"], "200"),
        ("/missing", &[], "404"),
    ] {
        let expected = ask(folder.path(), &direct(target), options);
        let passed = ask(folder.path(), &proxy.url(target), options);
        assert_eq!(passed.0.split(' ').nth(1), Some(status), "{target} {options:?}");
        // The version is each hop's own.
        let reason = |line: &str| line.split_once(' ').map(|(_, rest)| rest.to_owned());
        assert_eq!(reason(&passed.0), reason(&expected.0), "{target} {options:?}");
        assert_eq!(passed.1, expected.1, "{target} {options:?}");
        // With -I curl has the head in place of the body.
        if !options.contains(&"-I") {
            assert!(without_boundary(&passed.2) == without_boundary(&expected.2), "{target} {options:?}");
        }
    }
}
