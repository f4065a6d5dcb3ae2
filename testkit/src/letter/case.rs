//! A request as bytes, with what must come of it.

/// Stands in a case's bytes for a target that no other delivery has.
pub const TARGET: &str = "%T";

/// A request as bytes, with what must come of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// What a failure is reported under.
    pub name: String,
    /// What the client sends.
    pub bytes: Vec<u8>,
    /// What must come of it.
    pub outcome: Outcome,
}

/// What must come of a request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The upstream understands one request with this body, and the client gets its answer.
    Passed {
        /// What the upstream must have understood as the body.
        body: Vec<u8>,
        /// What it must have understood as the target and the host, if that is part of the question.
        address: Option<(String, String)>,
        /// Whether the client's connection ends after the answer.
        closes: bool,
    },
    /// The client gets this status; the upstream sees no request.
    Refused {
        /// The status.
        status: u16,
        /// Whether the client's connection ends after the answer.
        closes: bool,
        /// How much of the request may have gone on before the fault could be seen.
        spill: Spill,
    },
}

/// How much of a refused request the upstream may see. Never one that it could take for whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spill {
    /// Not a byte, however the request is delivered.
    Nothing,
    /// Not a byte where all of the request came at once.
    OnlyInPieces,
    /// A beginning: the fault comes after good data.
    Beginning,
}

impl Case {
    /// A request that is passed on with this body, and whose connection goes on.
    pub fn passed(name: impl Into<String>, bytes: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Case {
        let outcome = Outcome::Passed { body: body.as_ref().to_vec(), address: None, closes: false };
        Case { name: name.into(), bytes: bytes.as_ref().to_vec(), outcome }
    }

    /// A request that is refused with this status and the end of its connection, and of which the
    /// upstream sees nothing.
    pub fn refused(name: impl Into<String>, bytes: impl AsRef<[u8]>, status: u16) -> Case {
        let outcome = Outcome::Refused { status, closes: true, spill: Spill::Nothing };
        Case { name: name.into(), bytes: bytes.as_ref().to_vec(), outcome }
    }

    /// The same, understood as a request for this target, in which [`TARGET`] stands for itself, of this
    /// host.
    #[must_use]
    pub fn meaning(mut self, target: &str, host: &str) -> Case {
        if let Outcome::Passed { address, .. } = &mut self.outcome {
            *address = Some((target.to_owned(), host.to_owned()));
        }
        self
    }

    /// The same with another end of the connection.
    #[must_use]
    pub fn closing(mut self, ends: bool) -> Case {
        match &mut self.outcome {
            Outcome::Passed { closes, .. } | Outcome::Refused { closes, .. } => *closes = ends,
        }
        self
    }

    /// The same with more for the upstream to see.
    #[must_use]
    pub fn spilling(mut self, more: Spill) -> Case {
        if let Outcome::Refused { spill, .. } = &mut self.outcome {
            *spill = more;
        }
        self
    }

    pub(super) fn method(bytes: &[u8]) -> String {
        let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or_default();
        let word = bytes.get(start..).unwrap_or_default().split(|byte| *byte == b' ').next().unwrap_or_default();
        String::from_utf8_lossy(word).into_owned()
    }
}
