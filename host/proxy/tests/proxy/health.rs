//! `/healthz` for a balancer: at a port of its own, and while the proxy is stopping.

use std::time::Instant;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::kit::{Backend, DATA, Running, Setup};

/// With a port for other hosts beside the admin's.
async fn proxy(backend: &Backend) -> Running {
    let setup = Setup {
        tables: "[admin]\nlisten = [\"127.0.0.1:0\"]\nhealth = \"0.0.0.0:0\"",
        ..Setup::default()
    };
    Running::start(backend, setup).await
}

#[tokio::test]
async fn who_is_stopping_is_not_well() {
    let backend = Backend::honest().await;
    let mut proxy = proxy(&backend).await;
    let mut busy = proxy.play(DATA).await;
    let well = (200, "ok\n".to_owned());
    assert_eq!(proxy.healthz().await, well);
    assert_eq!(proxy.outside("/healthz").await, well);
    proxy.stop();
    let late = Instant::now();
    let stopping = (503, "stopping\n".to_owned());
    while proxy.healthz().await != stopping {
        assert!(late.elapsed().as_secs() < 20, "{:?}", proxy.healthz().await);
    }
    assert_eq!(proxy.outside("/healthz").await, stopping);
    busy.play("C: a\nC: .\nS: 250\nS: 421 4.3.2\nS: closed")
        .await;
    drop(busy);
    proxy.ended().await;
}

#[tokio::test]
async fn other_hosts_are_told_of_health_and_figures_only() {
    let backend = Backend::honest().await;
    let proxy = proxy(&backend).await;
    let (status, figures) = proxy.outside("/metrics").await;
    assert!(status == 200 && figures.contains("lazaret_build_info"));
    for path in ["/status", "/", "/healthz/", "/metrics/x", "/filters"] {
        assert_eq!(proxy.outside(path).await, (404, String::new()), "{path}");
    }
}

/// A balancer's port takes nothing from the admin's, whoever holds it.
#[tokio::test]
async fn who_says_nothing_keeps_nobody_away() {
    let backend = Backend::honest().await;
    let proxy = proxy(&backend).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(proxy.health()).await.unwrap());
    }
    assert_eq!(proxy.healthz().await.0, 200);
    assert_eq!(proxy.outside("/healthz").await.0, 200);
    let mut nothing = Vec::new();
    silent[0].read_to_end(&mut nothing).await.unwrap();
    assert_eq!(nothing, b"");
}
