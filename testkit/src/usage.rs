//! What a process has used, as the kernel counts it.

use std::io;
use std::time::Duration;

/// Processor time and memory of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Time on a processor, in user and in kernel mode, of all of its threads.
    pub cpu_time: Duration,
    /// Resident memory in bytes (`VmRSS`).
    pub memory: u64,
    /// The most resident memory it ever had, in bytes (`VmHWM`).
    pub peak_memory: u64,
}

impl Usage {
    /// Reads the usage of any process.
    ///
    /// # Errors
    /// `NotFound` when there is no such process.
    pub fn of(pid: u32) -> io::Result<Usage> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let unreadable = || io::Error::new(io::ErrorKind::InvalidData, "unknown form of /proc");
        Ok(Usage {
            cpu_time: cpu_time(&stat).ok_or_else(unreadable)?,
            memory: kilobytes(&status, "VmRSS:").ok_or_else(unreadable)?,
            peak_memory: kilobytes(&status, "VmHWM:").ok_or_else(unreadable)?,
        })
    }
}

/// Fields 14 and 15 of proc_pid_stat(5). The second field, the name, may hold spaces.
fn cpu_time(stat: &str) -> Option<Duration> {
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_millis((user + kernel) * 1000 / ticks_per_second))
}

fn kilobytes(status: &str, key: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(key))?;
    let number: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(number * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b) (c) S 1 7 7 0 -1 0 0 0 0 0 300 200 9 9 20 0 1 0 5 0 0";
        assert_eq!(cpu_time(stat), Some(Duration::from_secs(5)));
    }

    #[test]
    fn a_missing_process_is_an_error() {
        assert_eq!(Usage::of(u32::MAX).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
