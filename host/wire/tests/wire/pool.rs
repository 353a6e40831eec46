//! The node pool manager's protocol, both ends.

use crate::support::{logs, soon};
use async_trait::async_trait;
use remuda_core::port::{DemandSink, Membership};
use remuda_core::{Fault, GroupDemand, GroupId, Kind, LbId, MemoryMb, RunnerAddress};
use remuda_wire::certs::{self, CertFiles};
use remuda_wire::tls::{Identity, Paths};
use remuda_wire::{PoolClient, PoolService, serve_grpc};
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
