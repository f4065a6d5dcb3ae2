//! The keys of `[server]` by which a running proxy is asked how it is.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::diagnostic::{Code, Report};
use super::reader::{Raw, Section};
use super::rules;
use crate::model::{AdminSocket, ServerSettings};

/// Reads them; `server.merge_slashes` is known by now.
pub(super) fn read(section: &mut Section<'_, '_>, server: &mut ServerSettings, report: &mut Report) {
    if let Some(raw) = section.take("admin_socket")
        && let Some(socket) = socket(&raw, report)
    {
        server.admin_socket = socket;
    }
    if let Some(raw) = section.take("admin_address") {
        server.admin_address = address(&raw, report);
    }
    if let Some(raw) = section.take("health_path") {
        server.health_path = health_path(&raw, server.merge_slashes, report);
    }
}

fn socket(raw: &Raw<'_>, report: &mut Report) -> Option<AdminSocket> {
    if raw.is_off() {
        return Some(AdminSocket::Off);
    }
    let path = PathBuf::from(raw.text(report)?);
    raw.checked(rules::socket_path(&path), report)?;
    Some(AdminSocket::At(path))
}

fn address(raw: &Raw<'_>, report: &mut Report) -> Option<SocketAddr> {
    if raw.is_off() {
        return None;
    }
    let text = raw.text(report)?;
    let Ok(address) = text.parse::<SocketAddr>() else {
        let problem = format!("`{text}` is not an IP address and a port");
        return raw.bad(&problem, "write it like \"127.0.0.1:9090\" or \"[::1]:9090\"", report);
    };
    if !address.ip().to_canonical().is_loopback() {
        report
            .add(
                Code::AdminBeyondLoopback,
                raw.place(),
                format!(
                    "`{}`: whoever reaches `{address}` can read the state of this proxy without a password",
                    raw.name
                ),
            )
            .help("listen on 127.0.0.1, or let a firewall decide who asks");
    }
    Some(address)
}

fn health_path(raw: &Raw<'_>, merge: bool, report: &mut Report) -> Option<String> {
    if raw.is_off() {
        return None;
    }
    let text = raw.text(report)?;
    // A variable that is empty is unset, but a file can say that there is none.
    if text.is_empty() {
        return None;
    }
    raw.checked(rules::health_path(&text, merge), report)
}
