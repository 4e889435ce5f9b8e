//! What filters may be granted of the outside world: names, state, HTTP, lists, metrics. Knows neither wasmtime nor a
//! client's socket.
