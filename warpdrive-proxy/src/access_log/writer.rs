//! From the workers' buffers to the outside, without a lock or a wait on the request path.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel};

use tokio::sync::Notify;

use super::Record;
use crate::limited::Limited;
use crate::limits::{LOG_DELAY, LOG_FAREWELL, LOG_LINE_BYTES, LOG_UNIT_BYTES, LOG_UNITS};

/// Where access-log lines go.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum AccessLog {
    /// Standard output.
    #[default]
    Stdout,
    /// A file that was opened for appending.
    File(File),
    /// A channel; each message is one or more whole lines. What finds it full is lost. Meant for
    /// embedding and for tests.
    Channel(SyncSender<String>),
    /// Nowhere.
    Off,
}

/// Whole lines, and how many.
#[derive(Debug)]
pub(crate) struct LogUnits {
    text: Vec<u8>,
    lines: u64,
}

/// The thread that writes. It ends when the last worker's buffer is gone.
#[derive(Debug)]
pub(crate) struct LogThread {
    sender: Option<SyncSender<LogUnits>>,
    /// Disconnected when the thread has ended.
    ended: Option<Receiver<()>>,
}

impl LogThread {
    /// Starts the thread; none for [`AccessLog::Off`].
    ///
    /// # Errors
    ///
    /// When the system has no thread left.
    pub(crate) fn start(log: AccessLog) -> io::Result<Self> {
        if matches!(log, AccessLog::Off) {
            return Ok(LogThread { sender: None, ended: None });
        }
        let (sender, receiver) = sync_channel(LOG_UNITS);
        let (ending, ended) = channel::<()>();
        std::thread::Builder::new().name("warpdrive-log".to_owned()).spawn(move || {
            write_all(log, &receiver);
            drop(ending);
        })?;
        Ok(LogThread { sender: Some(sender), ended: Some(ended) })
    }

    /// Where a worker sends its lines.
    pub(crate) fn sender(&self) -> Option<SyncSender<LogUnits>> {
        self.sender.clone()
    }

    /// Waits until everything is written, but not for ever: a reader that has stopped must not
    /// keep the process. The workers must have ended before.
    pub(crate) fn finish(mut self) {
        self.sender = None;
        if let Some(ended) = self.ended.take()
            && ended.recv_timeout(LOG_FAREWELL) == Err(RecvTimeoutError::Timeout)
        {
            tracing::warn!("the last access-log lines were lost: whoever reads them has stopped");
        }
    }
}

fn write_all(mut log: AccessLog, units: &Receiver<LogUnits>) {
    let mut failed = false;
    for unit in units {
        let result = match &mut log {
            AccessLog::Stdout => io::stdout().lock().write_all(&unit.text),
            AccessLog::File(file) => file.write_all(&unit.text),
            // Lines are ASCII, so nothing is replaced here.
            AccessLog::Channel(channel) => {
                match channel.try_send(String::from_utf8_lossy(&unit.text).into_owned()) {
                    // A receiver that is gone wants no more lines.
                    Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
                    Err(full) => Err(io::Error::other(full)),
                }
            }
            AccessLog::Off => Ok(()),
        };
        match result {
            Ok(()) => failed = false,
            Err(error) => {
                if !failed {
                    tracing::error!(%error, "cannot write the access log; its lines are lost");
                }
                failed = true;
            }
        }
    }
}

/// The lines of one worker that are not handed on yet.
#[derive(Debug)]
pub(crate) struct LogBuffer {
    text: RefCell<Vec<u8>>,
    lines: Cell<u64>,
    sender: Option<SyncSender<LogUnits>>,
    began: Notify,
    lost: Cell<u64>,
    lost_warning: Limited,
}

impl LogBuffer {
    pub(crate) fn new(sender: Option<SyncSender<LogUnits>>) -> Self {
        LogBuffer {
            text: RefCell::default(),
            lines: Cell::new(0),
            sender,
            began: Notify::new(),
            lost: Cell::new(0),
            lost_warning: Limited::default(),
        }
    }

    pub(crate) fn write(&self, record: &Record) {
        if self.sender.is_none() {
            return;
        }
        let mut text = self.text.borrow_mut();
        if text.is_empty() {
            text.reserve(LOG_UNIT_BYTES + LOG_LINE_BYTES);
            self.began.notify_one();
        }
        record.write(&mut text);
        self.lines.set(self.lines.get() + 1);
        if text.len() >= LOG_UNIT_BYTES {
            drop(text);
            self.hand_on();
        }
    }

    /// Gives the lines gathered so far to the log thread. Where that is behind, they wait for another try
    /// while there are few of them, and are counted as lost else.
    pub(crate) fn hand_on(&self) {
        let Some(sender) = &self.sender else {
            return;
        };
        let text = std::mem::take(&mut *self.text.borrow_mut());
        let lines = self.lines.take();
        if text.is_empty() {
            return;
        }
        match sender.try_send(LogUnits { text, lines }) {
            Ok(()) => {}
            Err(TrySendError::Full(unit)) if unit.text.len() < LOG_UNIT_BYTES => {
                self.text.replace(unit.text);
                self.lines.set(unit.lines);
                self.began.notify_one();
            }
            Err(TrySendError::Full(unit) | TrySendError::Disconnected(unit)) => self.lose(unit.lines),
        }
    }

    fn lose(&self, lines: u64) {
        self.lost.set(self.lost.get() + lines);
        if self.lost_warning.pass().is_some() {
            let lines = self.lost.take();
            tracing::warn!(lines, "access-log lines were lost: whoever reads them is slow");
        }
    }

    /// Hands lines on in time for as long as it is polled.
    pub(crate) async fn hand_on_in_time(&self) {
        loop {
            self.began.notified().await;
            tokio::time::sleep(LOG_DELAY).await;
            self.hand_on();
        }
    }
}

impl Drop for LogBuffer {
    fn drop(&mut self) {
        self.hand_on();
        // There is no other try.
        let lines = self.lines.take();
        if lines > 0 {
            self.lose(lines);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;

    #[tokio::test]
    async fn a_slow_reader_loses_nothing_of_a_little_and_no_more_than_it_must_of_much() {
        let (sender, receiver) = sync_channel(1);
        let buffer = LogBuffer::new(Some(sender));
        let record = record();
        for _ in 0..3 {
            buffer.write(&record);
            buffer.hand_on();
        }
        assert_eq!(receiver.try_recv().unwrap().lines, 1);
        buffer.hand_on();
        assert_eq!(receiver.try_recv().unwrap().lines, 2);
        buffer.write(&record);
        buffer.hand_on();
        // As many as make a unit find no room.
        buffer.write(&record);
        while buffer.lines.get() > 0 {
            buffer.write(&record);
        }
        buffer.write(&record);
        assert_eq!(receiver.try_recv().unwrap().lines, 1);
        drop(buffer);
        assert_eq!(receiver.iter().map(|unit| unit.lines).sum::<u64>(), 1);
    }
}
