//! The admin port: `/healthz` for machines that ask whether mail goes through, `/status` for people and scripts,
//! `/metrics` for Prometheus. A port that other hosts reach has the first and the last only.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::backend::Health;
use crate::filters::Absent;
use crate::site::{Shutdown, Site, Sites};

/// Connections at once: each holds a descriptor that mail may need.
const AT_ONCE: usize = 32;
/// For the head of a request: who connects and says nothing holds a place that a balancer's question waits for.
const WORD: Duration = Duration::from_secs(1);
/// For one request and its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the admin port tells.
pub(crate) fn all(sites: &Arc<Sites>) -> Router {
    let status = Router::new().route("/status", get(status));
    health_only(sites).merge(status.with_state(Arc::clone(sites)))
}

/// What machines on other hosts may be told.
pub(crate) fn health_only(sites: &Arc<Sites>) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .with_state(Arc::clone(sites))
}

/// Serves until the proxy ends: a request for each connection.
pub(crate) async fn serve(listener: TcpListener, router: Router) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::error!(%error, "the admin port does not accept");
                sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let mut http = http1::Builder::new();
            let serving = http
                .timer(TokioTimer::new())
                .header_read_timeout(WORD)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            if let Ok(Err(error)) = timeout(PATIENCE, serving).await {
                tracing::debug!(%error, "a request to the admin port came to nothing");
            }
            drop(place);
        });
    }
}

/// 200 while mail can be delivered, 503 with the reason while it cannot, from the moment that a stop was asked for: whoever
/// shares clients out sends the next ones elsewhere. Filters, certificates or a configuration that
/// changed and cannot be used, while the older ones serve, are told with 200: taking every proxy out of service would be
/// worse than what is wrong.
async fn health(State(sites): State<Arc<Sites>>) -> (StatusCode, String) {
    let site = sites.now();
    if *site.shutdown.borrow() != Shutdown::No {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned());
    }
    let troubles = troubles(&site).await;
    if !troubles.is_empty() {
        return (StatusCode::SERVICE_UNAVAILABLE, troubles.join("\n") + "\n");
    }
    let mut degraded = site.degraded();
    if let Health::Degraded(dead) = site.backend.health().await {
        degraded.push(format!(
            "mail goes to the other addresses of the backend\n{}",
            dead.join("\n")
        ));
    }
    let text = match degraded.is_empty() {
        true => "ok\n".to_owned(),
        false => format!("degraded: {}\n", degraded.join("\ndegraded: ")),
    };
    (StatusCode::OK, text)
}

async fn troubles(site: &Arc<Site>) -> Vec<String> {
    let absent = site.standing.absent().into_iter();
    let stops = |absent| match absent {
        Absent::StopsMail(why) => Some(why),
        Absent::IsMissed(_) => None,
    };
    let mut troubles: Vec<_> = absent.filter_map(stops).collect();
    if let Health::Bad(dead) = site.backend.health().await {
        troubles.push("the backend cannot be used".to_owned());
        troubles.extend(dead);
    }
    troubles
}

async fn status(State(sites): State<Arc<Sites>>) -> Json<Value> {
    let site = sites.now();
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
            "failures": site.metrics.failures(),
        },
        "chain": site.standing.report(),
        "services": { "troubles": site.troubles_of_services() },
        "transactions": site.metrics.fates(),
        "no-sandbox": site.metrics.no_sandbox.get(),
        "degraded": site.degraded(),
        "observers-dropped": site.observers.dropped(),
    }))
}

/// Never waits for anybody: a scrape every few seconds must not open connections to the backend.
async fn metrics(State(sites): State<Arc<Sites>>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, lazaret_metrics::CONTENT_TYPE)];
    (kind, sites.now().metrics.registry.render())
}
