//! Threads that call two functions within each other, as the transitions see
//! them that look at stacks.

/// Whose frames are on a stack: the old or the new version's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Version {
    Old,
    New,
}

/// At most two calls deep: f calls g.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Stack(pub(crate) [Option<Version>; 2]);

impl Stack {
    pub(crate) fn is_empty(self) -> bool {
        self.0[0].is_none()
    }

    pub(crate) fn is_full(self) -> bool {
        self.0[1].is_some()
    }

    pub(crate) fn has_old(self) -> bool {
        self.0.contains(&Some(Version::Old))
    }

    /// Enters a version. Neither may run above the other.
    pub(crate) fn enter(mut self, version: Version) -> Result<Self, &'static str> {
        if version == Version::New && self.has_old() {
            return Err(NEW_ABOVE_OLD);
        }
        if version == Version::Old && self.0.contains(&Some(Version::New)) {
            return Err(OLD_ABOVE_NEW);
        }
        let depth = usize::from(!self.is_empty());
        self.0[depth] = Some(version);
        Ok(self)
    }

    pub(crate) fn leave(mut self) -> Self {
        let top = usize::from(self.is_full());
        self.0[top] = None;
        self
    }
}

pub(crate) const NEW_ABOVE_OLD: &str = "the new version is called above an old one";
pub(crate) const OLD_ABOVE_NEW: &str = "an old version is called above a new one";
