//! Server-sent events, as they come:
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

/// An event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Its number, if it has one.
    pub(super) id: Option<u64>,
    /// Its name.
    pub(super) name: String,
    /// Its data.
    pub(super) data: String,
}

/// Parses events from chunks of any size.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    event: Event,
    after_return: bool,
}

impl Events {
    /// Takes a chunk, and returns the events that are complete.
    pub(super) fn take(&mut self, piece: &[u8]) -> Vec<Event> {
        let mut whole = Vec::new();
        for byte in piece {
            let ends = matches!(byte, b'\n' | b'\r');
            // CR LF ends one line, not two.
            let after_return = std::mem::replace(&mut self.after_return, *byte == b'\r');
            let second = *byte == b'\n' && after_return;
            if ends && !second {
                let line = std::mem::take(&mut self.line);
                whole.extend(self.end_of(&line));
            } else if !ends {
                self.line.push(*byte);
            }
        }
        whole
    }

    fn end_of(&mut self, line: &[u8]) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return (!event.data.is_empty()).then_some(event);
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.event.id = value.parse().ok(),
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // A comment: a keep-alive.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_were_cut() {
        let text = ": still here\n\nid: 7\nevent: progress\ndata: {\"a\":\ndata: 1}\n\nevent: done\r\ndata:x\r\n\r\nid: 9\rdata: y\r\r";
        let expected = [
            Event { id: Some(7), name: "progress".into(), data: "{\"a\":\n1}".into() },
            Event { id: None, name: "done".into(), data: "x".into() },
            Event { id: Some(9), name: String::new(), data: "y".into() },
        ];
        for size in [1, 2, 3, 1000] {
            let mut events = Events::default();
            let read: Vec<Event> =
                text.as_bytes().chunks(size).flat_map(|piece| events.take(piece)).collect();
            assert_eq!(read, expected, "in pieces of {size}");
        }
    }
}
