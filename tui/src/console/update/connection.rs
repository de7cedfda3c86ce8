//! The connection to a remote store: what happens when it is lost and restored.

use packhouse_host::ConnectionStatus;

use super::reload;
use crate::console::msg::Effect;
use crate::console::state::{Level, Model};
use crate::text::duration;

/// Takes the state of the connection. Logs its loss and its return, once each.
pub(super) fn changed(model: &mut Model, connection: ConnectionStatus) -> Vec<Effect> {
    let before = model.connection.replace(connection);
    let (was, is) = (before.as_ref(), model.connection.as_ref());
    // `heard_at` is displayed only while disconnected.
    model.dirty |= was.map(|connection| (&connection.down, connection.latency))
        != is.map(|connection| (&connection.down, connection.latency));
    let since = was.and_then(ConnectionStatus::down_since);
    match (since, is.map(|connection| &connection.down)) {
        (None, Some(Some((_, why)))) => {
            let message = format!("Disconnected from {}: {why}", model.store);
            model.log.say(model.now, Level::Warning, message);
            Vec::new()
        }
        (Some(since), Some(None)) => {
            let away =
                u64::try_from(model.now.duration_since(since).as_millis()).unwrap_or_default();
            let message = format!("Reconnected to {} after {}", model.store, duration(away));
            model.log.say(model.now, Level::Note, message);
            reload::catch_up(model)
        }
        _ => Vec::new(),
    }
}
