//! An OpenTelemetry collector: it keeps the spans that are sent to it, by OTLP over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// How often a span is looked for until it must have arrived, and the pause between two looks.
const LOOKS: u32 = 1500;
const PAUSE: Duration = Duration::from_millis(20);

/// A span that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The service that sent it.
    pub service: String,
    /// The span.
    pub span: Span,
}

impl Sent {
    /// An attribute, as text.
    pub fn attribute(&self, key: &str) -> Option<String> {
        let found = self.span.attributes.iter().find(|attribute| attribute.key == key)?;
        match found.value.clone()?.value? {
            Value::StringValue(text) => Some(text),
            Value::IntValue(number) => Some(number.to_string()),
            other => panic!("{key} is {other:?}"),
        }
    }
}

/// A collector that runs until the test ends.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    spans: Arc<Mutex<Vec<Sent>>>,
}

impl Collector {
    /// One that keeps all that is sent.
    pub fn start() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let spans = Arc::new(Mutex::new(Vec::new()));
        let kept = spans.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let kept = kept.clone();
                std::thread::spawn(move || while receive(&client, &kept).is_some() {});
            }
        });
        Collector { address, spans }
    }

    /// What `--otlp-endpoint` is given.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Sent> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The span with a name, when it has arrived.
    pub fn span(&self, name: &str) -> Sent {
        for _ in 0..LOOKS {
            if let Some(found) = self.spans().into_iter().find(|sent| sent.span.name == name) {
                return found;
            }
            std::thread::sleep(PAUSE);
        }
        let names: Vec<_> = self.spans().into_iter().map(|sent| sent.span.name).collect();
        panic!("there is no span {name}, only {names:?}");
    }
}

/// Receives one request; none when the client has gone.
fn receive(mut client: &TcpStream, kept: &Mutex<Vec<Sent>>) -> Option<()> {
    let mut reader = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post /v1/traces "), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.and_then(|length| length.parse().ok()).expect("a length")];
    reader.read_exact(&mut body).ok()?;
    let request = ExportTraceServiceRequest::decode(&body[..]).expect("protobuf");
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    for resource in request.resource_spans {
        let attributes = resource.resource.unwrap_or_default().attributes;
        let named = attributes.into_iter().find(|attribute| attribute.key == "service.name");
        let service = match named.and_then(|name| name.value?.value) {
            Some(Value::StringValue(name)) => name,
            other => panic!("the service is {other:?}"),
        };
        let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        kept.extend(spans.map(|span| Sent { service: service.clone(), span }));
    }
    client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()
}
