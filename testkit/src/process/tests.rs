use super::*;
use crate::{Gate, Server, WorkFolder, answer_each, steps};

fn shell(script: &str) -> Program {
    Program::new("sh").args(["-c", script])
}

#[test]
fn a_finished_program_leaves_its_outputs_and_its_code() {
    let folder = WorkFolder::new();
    let script = "pwd; echo $COLOUR; printf end >&2; exit 3";
    let finished = shell(script).cwd(folder.path()).env("COLOUR", "green").run();
    assert_eq!(finished.code(), Some(3));
    assert_eq!(finished.stdout, format!("{}\ngreen\n", folder.path().display()));
    assert_eq!(finished.stderr, "end");
}

#[test]
fn a_line_is_found_on_either_output_and_only_when_it_is_complete() {
    let process = shell("echo port 123; printf 'por'; echo t 45 >&2; exec tail -f /dev/null");
    let process = process.start();
    assert_eq!(process.wait_for_line("t 45"), "t 45");
    let port = process.wait_for_match(|line| line.strip_prefix("port ")?.parse::<u16>().ok());
    assert_eq!(port, 123);
    assert!(process.exit().is_none());
}

#[test]
fn sigterm_comes_first_and_sigkill_after_it() {
    let polite = shell("trap 'echo bye; exit 5' TERM; echo ready; while :; do :; done");
    let polite = polite.start();
    polite.wait_for_line("ready");
    assert_eq!(polite.terminate().code(), Some(5));
    assert_eq!(polite.stdout(), "ready\nbye\n");
    // Nobody is there to take it any more, nor is another process.
    polite.signal(Signal::KILL);
    assert_eq!(polite.terminate().code(), Some(5));
}

#[test]
fn a_dropped_process_is_gone() {
    let process = shell("echo ready; exec tail -f /dev/null").start();
    process.wait_for_line("ready");
    let folder = format!("/proc/{}", process.pid());
    assert!(Path::new(&folder).exists());
    drop(process);
    assert!(!Path::new(&folder).exists());
}

#[test]
fn waiting_for_a_listener_ends_when_it_listens() {
    let folder = WorkFolder::new();
    let process = shell("echo ready; exec tail -f /dev/null").start();
    process.wait_for_line("ready");
    let (tcp, gate) = (Server::tcp(answer_each("")), Gate::new());
    process.wait_for_port(tcp.port());
    let path = folder.join("later.sock");
    let later = thread::spawn({
        let (path, gate) = (path.clone(), gate.clone());
        move || {
            let server = Server::unix(&path, steps([]));
            gate.wait().map(|()| server)
        }
    });
    process.wait_for_unix_socket(&path);
    gate.open();
    assert!(later.join().unwrap().is_ok());
}

#[test]
#[should_panic(expected = "never printed a line with")]
fn a_line_of_a_process_that_has_ended_is_not_waited_for() {
    shell("echo something else").start().wait_for_line("the line");
}

#[test]
fn usage_grows_with_work() {
    let process = shell("echo ready; exec cat /dev/zero >/dev/null").start();
    process.wait_for_line("ready");
    let first = process.usage();
    assert!(first.peak_memory >= first.memory && first.memory > 0);
    // Bounded by the work of another process, not by time: both share the processors.
    while process.usage().cpu_time <= first.cpu_time {
        shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done").run();
    }
}
