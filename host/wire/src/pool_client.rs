//! The node pool manager from a load balancer's side: a `Membership` and a `DemandSink`.

use crate::connection::{Connection, Greeting, Link, Received, Refused};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use http::{Request, Response, Uri};
use remuda_core::port::{DemandSink, Membership};
use remuda_core::{Fault, GroupDemand, GroupId, Kind, LbId, RunnerAddress};
use remuda_proto::poolmanager::node_pool_scaler_client::NodePoolScalerClient;
use remuda_proto::poolmanager::runner_manager_client::RunnerManagerClient;
use remuda_proto::poolmanager::{CapacitySnapshot, CapacitySnapshotList, LbGroupId, LbGroupMembership};
use rustls::ClientConfig;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::codegen::Service;

/// What one question may take, connecting included. Longer than a manager of ours takes to say that it has no answer,
/// and shorter than a balancer waits for us, so that the one who knows most about a failure is the one who names it.
const DEADLINE: Duration = Duration::from_secs(3);

/// Asks a node pool manager over mutual TLS. It connects when first used and reconnects by itself; a manager that is
/// away is logged once, and once more when it is back. Cheap to clone.
#[derive(Clone)]
pub struct PoolClient {
    channel: Channel,
    origin: Uri,
}

impl PoolClient {
    /// A client of the manager at `address`; `tls` as [`crate::tls::Identity::client_config`] gives it.
    pub fn new(address: &RunnerAddress, tls: Arc<ClientConfig>) -> Result<Self, http::uri::InvalidUri> {
        let origin = format!("https://{address}").parse()?;
        let tasks = TaskTracker::new();
        let connection = Connection::new(address.as_str(), address.host(), Some(tls), Greeting::None, tasks);
        Ok(Self { channel: Channel(Arc::new(connection)), origin })
    }

    /// Waits for an answer, in time; what failed instead.
    async fn ask<T>(
        &self,
        answer: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    ) -> Result<T, Fault> {
        let connection = &self.channel.0;
        let heard = connection.heard();
        match timeout(DEADLINE, answer).await {
            Ok(Ok(response)) => {
                connection.answered();
                Ok(response.into_inner())
            }
            Ok(Err(status)) => Err(fault(&status)),
            Err(_) => {
                // All groups share the connection, and one late answer says nothing about it. One on which nothing
                // at all came in all that time is not asked again.
                if heard.is_some() && heard == connection.heard() {
                    connection.give_up("no answer in time");
                }
                Err(away().caused_by(format!("no answer within {} s", DEADLINE.as_secs())))
            }
        }
    }
}

#[async_trait]
impl Membership for PoolClient {
    async fn members(&self, group: &GroupId) -> Result<Vec<RunnerAddress>, Fault> {
        let mut client = RunnerManagerClient::with_origin(self.channel.clone(), self.origin.clone());
        let asked = LbGroupId { id: group.as_str().to_owned() };
        let LbGroupMembership { runners, .. } = self.ask(client.get_lb_group(asked)).await?;
        let mut members = Vec::with_capacity(runners.len());
        for runner in runners {
            match RunnerAddress::parse(&runner.address) {
                Ok(address) => members.push(address),
                Err(reason) => {
                    tracing::warn!(group.id = %group, %reason, "a runner's address cannot be used")
                }
            }
        }
        Ok(members)
    }
}

#[async_trait]
impl DemandSink for PoolClient {
    async fn advertise(&self, lb: &LbId, demand: Vec<GroupDemand>) -> Result<(), Fault> {
        let mut client = NodePoolScalerClient::with_origin(self.channel.clone(), self.origin.clone());
        let snapshot = |wanted: GroupDemand| CapacitySnapshot {
            group_id: Some(LbGroupId { id: wanted.group.as_str().to_owned() }),
            mem_mb_total: wanted.memory.0,
        };
        let list = CapacitySnapshotList {
            ts: Some(SystemTime::now().into()),
            lb_id: lb.to_string(),
            snapshots: demand.into_iter().map(snapshot).collect(),
        };
        self.ask(client.advertise_capacity(list)).await
    }
}

fn away() -> Fault {
    Fault::service(Kind::Unavailable, "the node pool manager cannot be reached")
}

/// The fault of a failed question: our own when it never got an answer, else what the manager said.
fn fault(status: &tonic::Status) -> Fault {
    let mut next = std::error::Error::source(status);
    while let Some(at) = next {
        if let Some(Unanswered(reason)) = at.downcast_ref::<Unanswered>() {
            return away().caused_by(reason.clone());
        }
        next = at.source();
    }
    let said = format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        // Asking again would not help: the group is one that cannot be.
        tonic::Code::InvalidArgument => Fault::invalid(status.message().to_owned()),
        tonic::Code::NotFound => Fault::not_found(status.message().to_owned()),
        _ => Fault::service(Kind::Unavailable, "the node pool manager gave no answer").caused_by(said),
    }
}

/// Why a question got no answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unanswered(String);

/// A [`Connection`] as tonic's clients want it.
#[derive(Clone)]
struct Channel(Arc<Connection>);

impl Channel {
    async fn send(self, mut request: Request<Body>) -> Result<Response<Received>, Unanswered> {
        let connection = &self.0;
        loop {
            let mut link: Link = connection.acquire().await.map_err(|fault| Unanswered(fault.chain()))?;
            match link.send(request).await {
                Ok(response) => return Ok(response),
                // A deadline bounds how often a manager can close its connections under us. One that refuses us does
                // so each time, and its refusal is in the notes.
                Err(Refused::Unsent(back, error)) => {
                    if link.reason().is_some() {
                        return Err(Unanswered(connection.lost(&link, &error)));
                    }
                    connection.discard(&link);
                    request = *back;
                }
                Err(Refused::Lost(error)) => return Err(Unanswered(connection.lost(&link, &error))),
            }
        }
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Received>;
    type Error = Unanswered;
    type Future = BoxFuture<'static, Result<Response<Received>, Unanswered>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unanswered>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}
