//! The admin port: `/healthz` for machines that ask whether mail goes through, `/status` for people and scripts.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::site::Site;

/// Serves until the proxy ends.
pub(crate) async fn serve(listener: TcpListener, site: Arc<Site>) {
    let router = Router::new()
        .route("/healthz", get(health))
        .route("/status", get(status))
        .with_state(site);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the admin port is closed");
    }
}

/// 200 while mail can be delivered, 503 with the reason while it cannot.
async fn health(State(site): State<Arc<Site>>) -> (StatusCode, String) {
    let troubles = troubles(&site).await;
    match troubles.is_empty() {
        true => (StatusCode::OK, "ok\n".to_owned()),
        false => (StatusCode::SERVICE_UNAVAILABLE, troubles.join("\n") + "\n"),
    }
}

async fn troubles(site: &Arc<Site>) -> Vec<String> {
    let mut troubles = site.load_errors.clone();
    match site.backend.offer().await {
        None => troubles.push("the backend cannot be reached".to_owned()),
        Some(offer) => troubles.extend(site.backend.missing_identity(&offer)),
    }
    troubles
}

async fn status(State(site): State<Arc<Site>>) -> Json<Value> {
    let chain = site.chain.load_full();
    let filters = chain.filters().map(|filter| {
        let stages: Vec<_> = filter.stages().iter().map(|stage| stage.name()).collect();
        json!({ "name": filter.name(), "mode": format!("{:?}", filter.policy().mode).to_lowercase(), "stages": stages })
    });
    let (used, most) = site.backend.connections();
    Json(json!({
        "hostname": site.hostname,
        "clients": site.admission.now(),
        "backend": { "connections": used, "limit": most, "troubles": troubles(&site).await },
        "chain": { "generation": chain.generation(), "filters": filters.collect::<Vec<_>>() },
        "transactions": site.counters.snapshot(),
        "observers-dropped": site.observers.dropped(),
    }))
}
