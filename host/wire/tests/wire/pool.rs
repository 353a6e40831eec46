//! The node pool manager's protocol, both ends.

use crate::support::{logs, soon};
use async_trait::async_trait;
use http::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use remuda_core::port::{DemandSink, Membership};
use remuda_core::{Blame, Fault, GroupDemand, GroupId, Kind, LbId, MemoryMb, RunnerAddress};
use remuda_wire::certs::{self, CertFiles};
use remuda_wire::tls::{Identity, Paths};
use remuda_wire::{PoolClient, PoolService, serve_grpc};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

#[derive(Default)]
struct Room {
    heard: Mutex<Vec<(LbId, Vec<GroupDemand>)>>,
}

#[async_trait]
impl Membership for Room {
    async fn members(&self, group: &GroupId) -> Result<Vec<RunnerAddress>, Fault> {
        match group.as_str() {
            "blue" => Ok(["h1:9190", "h2:9191"].map(|text| RunnerAddress::parse(text).unwrap()).to_vec()),
            "unknown" => Err(Fault::service(Kind::Unavailable, "nobody knows")),
            "impossible" => Err(Fault::invalid("no group can be called that")),
            "gone" => Err(Fault::not_found("no such group")),
            "stuck" => std::future::pending().await,
            _ => Ok(Vec::new()),
        }
    }
}

#[async_trait]
impl DemandSink for Room {
    async fn advertise(&self, lb: &LbId, demand: Vec<GroupDemand>) -> Result<(), Fault> {
        self.heard.lock().unwrap().push((lb.clone(), demand));
        Ok(())
    }
}

fn pair() -> CertFiles {
    certs::self_signed(&["localhost".into(), "127.0.0.1".into()], false).unwrap()
}

fn identity(pair: &CertFiles, authority: &str) -> Identity {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    pair.write(&path("cert.pem"), &path("key.pem")).unwrap();
    std::fs::write(path("authority.pem"), authority).unwrap();
    let paths =
        Paths { certificate: path("cert.pem"), key: path("key.pem"), authority: path("authority.pem") };
    Identity::load(&paths).unwrap()
}

async fn manager(room: Arc<Room>, identity: &Identity, listener: TcpListener) -> JoinHandle<()> {
    let service = PoolService::new(room.clone(), room);
    let tls = Some(identity.server_config());
    tokio::spawn(serve_grpc(listener, tls, service, Default::default()))
}

fn client(address: std::net::SocketAddr, identity: &Identity) -> PoolClient {
    PoolClient::new(&RunnerAddress::parse(&address.to_string()).unwrap(), identity.client_config()).unwrap()
}

#[tokio::test]
async fn members_and_demand_come_through() {
    let pair = pair();
    let identity = identity(&pair, &pair.certificate);
    let room = Arc::new(Room::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(listener.local_addr().unwrap(), &identity);
    let _manager = manager(room.clone(), &identity, listener).await;

    let members = soon(client.members(&GroupId::new("blue"))).await.unwrap();
    assert_eq!(members.iter().map(RunnerAddress::as_str).collect::<Vec<_>>(), ["h1:9190", "h2:9191"]);
    assert!(soon(client.members(&GroupId::new("empty"))).await.unwrap().is_empty());

    let wanted = vec![
        GroupDemand { group: GroupId::new("blue"), memory: MemoryMb(512) },
        GroupDemand { group: GroupId::new("green"), memory: MemoryMb(0) },
    ];
    soon(client.advertise(&LbId::new("lb-1"), wanted.clone())).await.unwrap();
    soon(client.advertise(&LbId::new("lb-1"), Vec::new())).await.unwrap();
    let heard = room.heard.lock().unwrap().clone();
    assert_eq!(heard, [(LbId::new("lb-1"), wanted), (LbId::new("lb-1"), Vec::new())]);
}

#[tokio::test]
async fn a_manager_that_does_not_know_or_does_not_answer_is_a_fault_and_not_an_empty_group() {
    let pair = pair();
    let identity = identity(&pair, &pair.certificate);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(listener.local_addr().unwrap(), &identity);
    let _manager = manager(Arc::default(), &identity, listener).await;
    let fault = soon(client.members(&GroupId::new("unknown"))).await.unwrap_err();
    assert!(fault.chain().contains("nobody knows"), "{}", fault.chain());
    let fault = soon(client.members(&GroupId::new("stuck"))).await.unwrap_err();
    assert_eq!(fault.kind, Kind::Unavailable, "{}", fault.chain());
    // It did not wedge the client.
    assert_eq!(soon(client.members(&GroupId::new("blue"))).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_group_that_can_never_be_is_the_callers_doing() {
    let pair = pair();
    let identity = identity(&pair, &pair.certificate);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(listener.local_addr().unwrap(), &identity);
    let _manager = manager(Arc::default(), &identity, listener).await;
    let too_long = "g".repeat(300);
    for (group, kind) in [("impossible", Kind::Invalid), (&too_long, Kind::Invalid), ("gone", Kind::NotFound)]
    {
        let fault = soon(client.members(&GroupId::new(group))).await.unwrap_err();
        assert_eq!((fault.kind, fault.blame), (kind, Blame::User), "{}", fault.chain());
    }
}

#[tokio::test]
async fn a_group_without_a_usable_name_does_not_silence_the_others() {
    let pair = pair();
    let identity = identity(&pair, &pair.certificate);
    let room = Arc::new(Room::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(listener.local_addr().unwrap(), &identity);
    let _manager = manager(room.clone(), &identity, listener).await;
    let wanted = |group: &str| GroupDemand { group: GroupId::new(group), memory: MemoryMb(512) };
    let demand = vec![wanted(""), wanted("blue"), wanted(&"g".repeat(300)), wanted("green")];
    soon(client.advertise(&LbId::new("lb-1"), demand)).await.unwrap();
    let heard = room.heard.lock().unwrap().clone();
    assert_eq!(heard, [(LbId::new("lb-1"), vec![wanted("blue"), wanted("green")])]);
}

/// A manager that never answers the questions whose number, counted from zero, is in `unanswered`.
async fn absent_minded(identity: &Identity, unanswered: std::ops::Range<usize>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let room = Arc::new(Room::default());
    let pool = PoolService::new(room.clone(), room);
    let asked = Arc::new(AtomicUsize::new(0));
    let service = service_fn(move |request: Request<Incoming>| {
        let (pool, nth) = (pool.clone(), asked.fetch_add(1, Ordering::Relaxed));
        let unanswered = unanswered.contains(&nth);
        async move { if unanswered { std::future::pending().await } else { pool.call(request).await } }
    });
    tokio::spawn(serve_grpc(listener, Some(identity.server_config()), service, Default::default()));
    address
}

#[tokio::test]
async fn one_late_answer_does_not_cost_the_connection_that_all_groups_share() {
    let (logs, _guard) = logs();
    let pair = pair();
    let identity = identity(&pair, &pair.certificate);
    let client = client(absent_minded(&identity, 1..2).await, &identity);
    let blue = GroupId::new("blue");
    soon(client.members(&blue)).await.unwrap();
    let mut late = std::pin::pin!(client.members(&blue));
    assert!(futures_util::poll!(late.as_mut()).is_pending());
    let fault = loop {
        tokio::select! {
            biased;
            answer = late.as_mut() => break answer.unwrap_err(),
            () = tokio::time::sleep(std::time::Duration::from_millis(100)) => {
                soon(client.members(&blue)).await.unwrap();
            }
        }
    };
    assert!(fault.chain().contains("no answer within 3 s"), "{}", fault.chain());
    assert!(!logs.text().contains("peer cannot be reached"), "{}", logs.text());
}

#[tokio::test]
async fn a_connection_on_which_nothing_comes_any_more_is_given_up() {
    let (logs, _guard) = logs();
    let pair = pair();
    let identity = identity(&pair, &pair.certificate);
    let client = client(absent_minded(&identity, 1..2).await, &identity);
    soon(client.members(&GroupId::new("blue"))).await.unwrap();
    soon(client.members(&GroupId::new("blue"))).await.unwrap_err();
    assert!(logs.text().contains("no answer in time"), "{}", logs.text());
    soon(client.members(&GroupId::new("blue"))).await.unwrap();
}

#[tokio::test]
async fn a_manager_that_goes_and_comes_back_is_found_again_and_logged_once_each() {
    let (logs, _guard) = logs();
    let pair = pair();
    let identity = identity(&pair, &pair.certificate);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = client(address, &identity);
    let first = manager(Arc::default(), &identity, listener).await;
    assert_eq!(soon(client.members(&GroupId::new("blue"))).await.unwrap().len(), 2);
    first.abort();
    let _ = first.await;
    soon(async { while client.members(&GroupId::new("blue")).await.is_ok() {} }).await;
    for _ in 0..3 {
        assert!(soon(client.members(&GroupId::new("blue"))).await.is_err());
    }
    let listener = TcpListener::bind(address).await.unwrap();
    let _second = manager(Arc::default(), &identity, listener).await;
    soon(async {
        while client.members(&GroupId::new("blue")).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let text = logs.text();
    assert_eq!(text.matches("peer is reached again").count(), 1, "{text}");
}

#[tokio::test]
async fn a_balancer_of_another_authority_is_told_why_it_is_refused() {
    let (logs, _guard) = logs();
    let pair = pair();
    let stranger = certs::self_signed(&["localhost".into()], false).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let _manager = manager(Arc::default(), &identity(&pair, &pair.certificate), listener).await;
    let client = client(address, &identity(&stranger, &pair.certificate));
    let fault = soon(client.members(&GroupId::new("blue"))).await.unwrap_err();
    assert!(fault.chain().contains("authority that it does not know"), "{}", fault.chain());
    let refusal = logs.lines_with("a connection was refused").await;
    assert!(refusal.contains("unknown issuer"), "{refusal}");
    let told = logs.lines_with("peer cannot be reached").await;
    assert!(told.contains("authority that it does not know"), "{told}");
}
