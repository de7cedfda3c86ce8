//! Stub.
use super::house::Shared;
use axum::Router;
#[derive(Debug, Default)]
pub(super) struct Runs;
impl Runs {
    pub(super) fn stop_all(&self) {}
    pub(super) async fn all_ended(&self) {}
}
pub(super) fn routes() -> Router<Shared> {
    Router::new()
}
