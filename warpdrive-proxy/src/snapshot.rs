//! One configuration in use: the compiled router and the counters that go with it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use warpdrive_core::balance::Balancer;
use warpdrive_core::model::ServerSettings;
use warpdrive_core::{CompileError, Model, Router};

use crate::upstream::{InstanceState, Registry, UpstreamState};

/// What every exchange of one moment reads. It never changes; a reload puts another in its place.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) router: Router,
    /// In the model's order, so that `UpstreamId::index` counts here too.
    pub(crate) upstreams: Vec<SnapshotUpstream>,
}

/// One upstream of a snapshot.
#[derive(Debug)]
pub(crate) struct SnapshotUpstream {
    pub(crate) name: Arc<str>,
    pub(crate) state: Arc<UpstreamState>,
    pub(crate) instances: Vec<Arc<InstanceState>>,
    /// Made once; workers share what is large of it.
    pub(crate) balancer: Balancer,
}

/// The snapshot in use. Written by [`crate::Proxy::replace`] alone.
pub(crate) type Live = Arc<ArcSwap<Snapshot>>;

impl Snapshot {
    /// Compiles a model; counters of what the registry knows already are taken over.
    ///
    /// # Errors
    ///
    /// When the model is beyond the router's limits.
    pub(crate) fn compile(model: Model, registry: &mut Registry) -> Result<Self, CompileError> {
        let router = Router::compile(model)?;
        let upstreams = router
            .model()
            .upstreams()
            .iter()
            .map(|upstream| {
                let name: Arc<str> = upstream.name.as_str().into();
                let state = registry.upstream(&name);
                SnapshotUpstream {
                    balancer: Balancer::new(upstream),
                    instances: upstream
                        .instances
                        .iter()
                        .map(|instance| registry.instance(&name, &state, &instance.address))
                        .collect(),
                    state,
                    name,
                }
            })
            .collect();
        registry.sweep();
        Ok(Snapshot { router, upstreams })
    }

    pub(crate) fn server(&self) -> &ServerSettings {
        &self.router.model().settings().server
    }
}
