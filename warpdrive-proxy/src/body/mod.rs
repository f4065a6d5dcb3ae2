//! Bodies: what goes out to clients, and what goes on to instances.

mod outgoing;
mod upload;

pub(crate) use outgoing::{Download, Outgoing};
pub(crate) use upload::{Upload, UploadFailure, UploadMeter, UploadStage};
