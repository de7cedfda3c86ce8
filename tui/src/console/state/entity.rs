//! One record of a repo: what it says, where it is, and the beginning of its bytes.

use packhouse_host::{RecordReport, RepoName};

use super::cursor::Cursor;
use super::ticket::Ticket;
use crate::console::failure::{BackendResult, Failure};

/// Bytes of a record that are read and displayed.
pub(in crate::console) const PREVIEW: usize = 16 << 10;

/// What was read of a record.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::console) struct Opened {
    pub(in crate::console) record: RecordReport,
    /// The first [`PREVIEW`] bytes, or why they could not be read: the record may be damaged.
    pub(in crate::console) beginning: BackendResult<Vec<u8>>,
}

impl Opened {
    /// The bytes of the content; of a record that is no object, of the record.
    pub(in crate::console) fn bytes(&self) -> u64 {
        self.record.content_bytes.unwrap_or(self.record.place.length)
    }

    /// The beginning of the content, if it is text.
    pub(in crate::console) fn text(&self) -> Option<&str> {
        let bytes = self.beginning.as_ref().ok()?;
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            // The last character was cut.
            Err(error) if error.error_len().is_none() && self.bytes() > bytes.len() as u64 => {
                std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
            }
            Err(_) => return None,
        };
        let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
        text.chars().all(is_plain).then_some(text)
    }
}

/// [`crate::console::view`] draws it.
#[derive(Debug)]
pub(in crate::console) struct Entity {
    pub(in crate::console) repo: RepoName,
    /// Its ID; of a tag, its text.
    pub(in crate::console) id: String,
    /// Its path in the commit from whose files it was opened.
    pub(in crate::console) path: Option<String>,
    pub(in crate::console) known: Option<Box<Opened>>,
    /// The pending request.
    pub(in crate::console) loading: Option<Ticket>,
    /// Why the last request failed. What was loaded stays.
    pub(in crate::console) failure: Option<Failure>,
    /// Whether the bytes are displayed in hexadecimal, whatever they are.
    pub(in crate::console) raw: bool,
    /// The first visible line.
    pub(in crate::console) top: Cursor,
}

impl Entity {
    /// A record that is being loaded.
    pub(in crate::console) fn new(repo: RepoName, id: String, loading: Ticket) -> Entity {
        let (known, failure, top) = (None, None, Cursor::default());
        Entity { repo, id, path: None, known, loading: Some(loading), failure, raw: false, top }
    }

    /// Whether it has another form than its bytes in hexadecimal.
    pub(in crate::console) fn has_text(&self) -> bool {
        let of = |known: &Opened| known.record.fields.is_some() || known.text().is_some();
        self.known.as_deref().is_some_and(of)
    }

    /// Takes a result. After a failure what was loaded stays.
    pub(in crate::console) fn take(&mut self, answer: BackendResult<Box<Opened>>) {
        self.loading = None;
        match answer {
            Ok(known) => (self.known, self.failure) = (Some(known), None),
            Err(failure) => self.failure = Some(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::console::tests::fake::opened;

    #[test]
    fn text_is_recognised_even_if_a_character_is_cut() {
        let text = |bytes: &[u8], all: u64| {
            let mut opened = opened("aa", bytes);
            opened.record.content_bytes = Some(all);
            opened.text().map(str::to_owned)
        };
        assert_eq!(text("a\tb\r\nZoë".as_bytes(), 9), Some("a\tb\r\nZoë".to_owned()));
        assert_eq!(text(&"Zoë".as_bytes()[..3], 99), Some("Zo".to_owned()));
        assert_eq!(text(&"Zoë".as_bytes()[..3], 3), None, "nothing follows");
        assert_eq!(text(b"\x89PNG\r\n", 6), None);
        assert_eq!(text(b"a\x1b[2J", 5), None);
        assert_eq!(text(b"", 0), Some(String::new()));
    }
}
