//! Debian's nginx as an application: files, with ranges, conditions and compression.

use std::time::{Duration, Instant};

use testkit::{Process, Program, WorkFolder, free_port};

/// A running nginx that serves the folder `files` of its own folder.
pub(crate) struct Nginx {
    pub(crate) port: u16,
    _process: Process,
}

impl Nginx {
    pub(crate) fn start(folder: &WorkFolder) -> Nginx {
        let (port, base) = (free_port(), folder.path().display());
        let text = format!(
            "worker_processes 1;\ndaemon off;\npid {base}/pid;\nerror_log stderr;\nuser root;\n\
             events {{ worker_connections 64; }}\n\
             http {{\n  access_log off;\n  gzip on;\n  gzip_min_length 1;\n  gzip_types text/plain;\n  gzip_proxied any;\n\
             gzip_http_version 1.0;\n  types {{ text/plain txt; }}\n  client_body_temp_path {base}/t1;\n  proxy_temp_path {base}/t2;\n\
             fastcgi_temp_path {base}/t3;\n  uwsgi_temp_path {base}/t4;\n  scgi_temp_path {base}/t5;\n\
             server {{ listen 127.0.0.1:{port}; root {base}/files; }}\n}}\n"
        );
        let path = folder.write("nginx.conf", text);
        let process = Program::new("/usr/sbin/nginx").arg("-c").arg(path).start();
        let end = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "nginx does not listen: {}", process.stderr());
            std::thread::yield_now();
        }
        Nginx { port, _process: process }
    }
}
