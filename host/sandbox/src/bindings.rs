//! Bindings of the WIT, generated.

#![allow(missing_docs, unreachable_pub, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "engine",
    imports: { default: trappable },
});
