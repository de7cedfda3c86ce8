//! A tape, line by line. It is untrusted: the length of lines is limited, and errors name the line
//! and the reason.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use packhouse_model::error::{Error, Result, TapeError};

use super::format::{Header, VERSION};

/// Maximum length of a line. Records are passed 4 MiB at a time, unless a single one is larger, and
/// written in hexadecimal digits.
const LONGEST: u64 = 1 << 30;

/// A tape that is being read.
pub(super) struct TapeReader {
    path: PathBuf,
    from: BufReader<MultiGzDecoder<BufReader<File>>>,
    /// The number of the last line that was read.
    at: u64,
    line: String,
}

impl TapeReader {
    /// Opens a tape; reads nothing yet.
    pub(super) fn open(path: &Path) -> Result<TapeReader> {
        let file = File::open(path).map_err(Error::io("opening the tape", path))?;
        let from = BufReader::with_capacity(1 << 16, MultiGzDecoder::new(BufReader::new(file)));
        Ok(TapeReader { path: path.to_owned(), from, at: 0, line: String::new() })
    }

    /// The error for the last line that was read.
    pub(super) fn damaged(&self, reason: impl Into<String>) -> Error {
        let (tape, reason) = (self.path.clone(), reason.into());
        TapeError::Damaged { tape, line: self.at, reason }.into()
    }

    /// The next line; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<&str>> {
        self.at += 1;
        let mut bytes = std::mem::take(&mut self.line).into_bytes();
        bytes.clear();
        let read = (&mut self.from).take(LONGEST).read_until(b'\n', &mut bytes);
        match read {
            // A file that is not gzip, or was truncated or changed, fails here.
            Err(error) => return Err(self.damaged(error.to_string())),
            Ok(0) => return Ok(None),
            Ok(read) if bytes.last() != Some(&b'\n') && read as u64 == LONGEST => {
                return Err(self.damaged(format!("the line has more than {LONGEST} bytes")));
            }
            Ok(_) if bytes.last() != Some(&b'\n') => {
                return Err(self.damaged("the line is not terminated"));
            }
            Ok(_) => bytes.truncate(bytes.len() - 1),
        }
        self.line = String::from_utf8(bytes).map_err(|_| self.damaged("it is not UTF-8"))?;
        Ok(Some(&self.line))
    }

    /// The first line.
    pub(super) fn header(&mut self) -> Result<Header> {
        /// Parsed first: the rest may differ in another version.
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Version {
            tape: u32,
            #[serde(default)]
            made_by: Option<String>,
        }
        let line = self.next()?.map(str::to_owned);
        let Some(line) = line else { return Err(self.damaged("it is empty")) };
        let Ok(version) = serde_json::from_str::<Version>(&line) else {
            return Err(self.damaged("it does not begin with a tape header"));
        };
        if version.tape != VERSION {
            return Err(TapeError::OtherVersion {
                tape: self.path.clone(),
                found: version.tape,
                made_by: version.made_by,
                known: VERSION,
            }
            .into());
        }
        serde_json::from_str(&line)
            .map_err(|error| self.damaged(format!("the header is malformed: {error}")))
    }
}
