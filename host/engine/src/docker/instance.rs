//! A container whose function listens.

use super::exit::ExitWatch;
use super::remains::Remains;
use crate::contract::Client;
use async_trait::async_trait;
use remuda_core::Answer;
use remuda_core::port::{CallFault, FunctionRequest, Instance};

/// A running container. Dropping it removes it in the background.
pub(super) struct Container {
    client: Client,
    exit: ExitWatch,
    remains: Remains,
}

impl Container {
    pub(super) fn new(client: Client, exit: ExitWatch, remains: Remains) -> Self {
        Self { client, exit, remains }
    }
}

#[async_trait]
impl Instance for Container {
    fn id(&self) -> &str {
        self.remains.name()
    }

    async fn listens(&self) -> bool {
        self.client.listens().await
    }

    async fn call(&self, request: FunctionRequest) -> Result<Answer, CallFault> {
        self.client.call(request).await
    }

    async fn exited(&self) -> String {
        self.exit.ended().await
    }

    async fn remove(&self) {
        self.remains.remove().await;
    }
}
