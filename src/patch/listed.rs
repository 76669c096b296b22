//! The functions that are patched, for whoever shows them.

use super::registry::registry;

/// A function that has a patch.
pub(crate) struct Patched {
    pub(crate) target: usize,
    pub(crate) name: Option<String>,
    /// Patches on it.
    pub(crate) layers: usize,
    /// Those that are on.
    pub(crate) enabled: usize,
    /// Where the uppermost of these leads.
    pub(crate) leads_to: Option<usize>,
}

/// All of them, by name.
pub(crate) fn patched() -> Vec<Patched> {
    let registry = registry();
    let sites = registry.sites.iter().filter(|site| !site.is_idle());
    let mut patched: Vec<Patched> = sites
        .map(|site| Patched {
            target: site.target(),
            name: site.located.name(),
            layers: site.layers.len(),
            enabled: site.layers.iter().filter(|layer| layer.enabled).count(),
            leads_to: site
                .layers
                .iter()
                .rfind(|layer| layer.enabled)
                .map(|layer| layer.destination),
        })
        .collect();
    patched.sort_by(|a, b| (&a.name, a.target).cmp(&(&b.name, b.target)));
    patched
}
