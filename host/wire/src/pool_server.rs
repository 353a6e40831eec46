//! Serves a `Membership` and a `DemandSink` as Fn's node pool manager protocol.

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use remuda_core::port::{DemandSink, Membership};
use remuda_core::{Fault, GroupDemand, GroupId, Kind, LbId, MemoryMb};
use remuda_proto::poolmanager::node_pool_scaler_server::{NodePoolScaler, NodePoolScalerServer};
use remuda_proto::poolmanager::runner_manager_server::{RunnerManager, RunnerManagerServer};
use remuda_proto::poolmanager::{CapacitySnapshotList, LbGroupId, LbGroupMembership, Runner};
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;

/// What an answer may take. Both ports answer from memory, except before a first listing of the pool, which has 1.5 s;
/// and a client of ours waits for 3 s, so that it hears from us why it waited.
const DEADLINE: Duration = Duration::from_millis(2500);
/// Snapshots of one advert. A balancer has one for each group it serves.
const SNAPSHOTS: usize = 10_000;
/// The longest name of a group or of a balancer, in bytes.
const NAME: usize = 255;

/// The node pool manager's protocol, for [`crate::serve_grpc`].
#[derive(Clone)]
pub struct PoolService {
    scaler: NodePoolScalerServer<Rooms>,
    runners: RunnerManagerServer<Rooms>,
}

impl PoolService {
    /// Questions go to `membership`, demand to `demand`.
    pub fn new(membership: Arc<dyn Membership>, demand: Arc<dyn DemandSink>) -> Self {
        let rooms = Arc::new(Rooms { membership, demand });
        Self {
            scaler: NodePoolScalerServer::from_arc(rooms.clone()),
            runners: RunnerManagerServer::from_arc(rooms),
        }
    }
}

struct Rooms {
    membership: Arc<dyn Membership>,
    demand: Arc<dyn DemandSink>,
}

impl Service<Request<Incoming>> for PoolService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        use tonic::codegen::Service as _;
        let path = request.uri().path();
        if path.starts_with("/NodePoolScaler/") {
            self.scaler.clone().call(request)
        } else if path.starts_with("/RunnerManager/") {
            self.runners.clone().call(request)
        } else {
            Box::pin(async { Ok(Status::unimplemented("").into_http()) })
        }
    }
}

#[async_trait]
impl NodePoolScaler for Rooms {
    async fn advertise_capacity(
        &self,
        request: tonic::Request<CapacitySnapshotList>,
    ) -> Result<tonic::Response<()>, Status> {
        // The sender's clock is not trusted: what counts is when demand arrived.
        let CapacitySnapshotList { ts: _, lb_id, snapshots } = request.into_inner();
        if snapshots.len() > SNAPSHOTS {
            return Err(Status::invalid_argument(format!("more than {SNAPSHOTS} snapshots")));
        }
        let lb = LbId::new(named(lb_id)?);
        // One group that cannot be must not silence the demand of all others.
        let (demand, refused): (Vec<_>, Vec<_>) = snapshots
            .into_iter()
            .map(|snapshot| {
                let group = GroupId::new(named(snapshot.group_id.unwrap_or_default().id)?);
                Ok(GroupDemand { group, memory: MemoryMb(snapshot.mem_mb_total) })
            })
            .partition::<Vec<Result<GroupDemand, Status>>, _>(Result::is_ok);
        if !refused.is_empty() {
            tracing::debug!(lb = %lb.as_str(), groups = refused.len(), "demand of groups without a usable name is ignored");
        }
        let demand = demand.into_iter().flatten().collect();
        within(self.demand.advertise(&lb, demand)).await.map(tonic::Response::new)
    }
}

#[async_trait]
impl RunnerManager for Rooms {
    async fn get_lb_group(
        &self,
        request: tonic::Request<LbGroupId>,
    ) -> Result<tonic::Response<LbGroupMembership>, Status> {
        let asked = request.into_inner();
        let group = GroupId::new(named(asked.id.clone())?);
        let members = within(self.membership.members(&group)).await?;
        let runner = |address: remuda_core::RunnerAddress| Runner {
            address: address.to_string(),
            client_key: Vec::new(),
        };
        Ok(tonic::Response::new(LbGroupMembership {
            group_id: Some(asked),
            runners: members.into_iter().map(runner).collect(),
        }))
    }
}

fn named(name: String) -> Result<String, Status> {
    if name.is_empty() || name.len() > NAME {
        return Err(Status::invalid_argument(format!("a name has 1 to {NAME} bytes")));
    }
    Ok(name)
}

async fn within<T>(answer: impl Future<Output = Result<T, Fault>>) -> Result<T, Status> {
    match timeout(DEADLINE, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(fault)) => {
            tracing::debug!(error = %fault.chain(), "a load balancer could not be answered");
            Err(status(&fault))
        }
        Err(_) => Err(Status::deadline_exceeded("no answer in time")),
    }
}

fn status(fault: &Fault) -> Status {
    let message = fault.message.to_string();
    match fault.kind {
        Kind::Invalid | Kind::TooLarge => Status::invalid_argument(message),
        Kind::NotFound => Status::not_found(message),
        Kind::Unauthorized => Status::unauthenticated(message),
        Kind::Forbidden => Status::permission_denied(message),
        Kind::TooMany => Status::resource_exhausted(message),
        Kind::Unavailable | Kind::Busy => Status::unavailable(message),
        Kind::Conflict
        | Kind::CannotAllocate
        | Kind::ImageRefused
        | Kind::PullFailed
        | Kind::PullTimeout
        | Kind::Cancelled
        | Kind::DetachRefused
        | Kind::InitFailed
        | Kind::InitTimeout
        | Kind::FunctionFailed
        | Kind::Timeout
        | Kind::RunnerLost
        | Kind::Foreign(_)
        | Kind::Internal => Status::internal(message),
    }
}
