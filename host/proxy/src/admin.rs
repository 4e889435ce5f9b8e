//! The admin port: `/healthz` for machines that ask whether mail goes through, `/status` for people and scripts.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::backend::Health;
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

/// 200 while mail can be delivered, 503 with the reason while it cannot. A directory that cannot be loaded while an older
/// generation serves is told with 200: taking every proxy out of service would be worse than what is wrong.
async fn health(State(site): State<Arc<Site>>) -> (StatusCode, String) {
    let troubles = troubles(&site).await;
    if !troubles.is_empty() {
        return (StatusCode::SERVICE_UNAVAILABLE, troubles.join("\n") + "\n");
    }
    let mut text = String::new();
    if let Some(trouble) = site.standing.trouble() {
        text += "degraded: filters changed and cannot be loaded, those before them serve on\n";
        text += &(trouble.errors.join("\n") + "\n");
    }
    if let Health::Degraded(dead) = site.backend.health().await {
        text += "degraded: mail goes to the other addresses of the backend\n";
        text += &(dead.join("\n") + "\n");
    }
    if text.is_empty() {
        text += "ok\n";
    }
    (StatusCode::OK, text)
}

async fn troubles(site: &Arc<Site>) -> Vec<String> {
    let mut troubles = site.standing.absent();
    if let Health::Bad(dead) = site.backend.health().await {
        troubles.push("the backend cannot be used".to_owned());
        troubles.extend(dead);
    }
    troubles
}

async fn status(State(site): State<Arc<Site>>) -> Json<Value> {
    let troubles = troubles(&site).await;
    let backend = site.backend.snapshot();
    Json(json!({
        "hostname": site.hostname,
        "clients": site.admission.now(),
        "backend": {
            "connections": backend.connections,
            "limit": backend.limit,
            "troubles": troubles,
            "addresses": backend.addresses,
        },
        "chain": site.standing.report(),
        "transactions": site.counters.snapshot(),
        "observers-dropped": site.observers.dropped(),
    }))
}
