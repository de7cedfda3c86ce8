//! How the store of the console is called, for the commands of the config: they work on the same
//! store without naming it.

use std::ffi::OsString;
use std::path::Path;

use super::state::StorePlace;
use crate::globals::Globals;
use crate::location;

/// The names of a store.
#[derive(Debug)]
pub(super) struct StoreNames {
    /// For the variables `$DATA` and `$URL` of commands.
    pub(super) place: StorePlace,
    /// The environment of commands: the variables that name a store, and their values.
    pub(super) variables: Vec<(&'static str, Option<OsString>)>,
}

impl StoreNames {
    /// The store that the global options name.
    pub(super) fn of(globals: &Globals) -> StoreNames {
        let file = |path: &Option<_>| path.as_deref().map(absolute);
        let text = |text: &Option<String>| text.as_ref().map(OsString::from);
        let is_local = globals.remote.is_none();
        let in_folder = is_local && globals.database.is_none() && globals.storage.is_none();
        // Without a home there is no folder.
        let folder = location::data_folder(globals).ok().filter(|_| in_folder);
        // An argument is a text: another name would be another folder.
        let folder = folder.and_then(|folder| absolute(&folder).into_string().ok());
        let place = StorePlace { data: folder, url: globals.remote.clone(), in_memory: false };
        StoreNames {
            place,
            variables: vec![
                ("PACKHOUSE_DATA", file(&globals.data).filter(|_| is_local)),
                ("PACKHOUSE_DATABASE_URL", text(&globals.database).filter(|_| is_local)),
                ("PACKHOUSE_STORAGE_URL", text(&globals.storage).filter(|_| is_local)),
                ("PACKHOUSE_REMOTE", text(&globals.remote)),
                ("PACKHOUSE_TOKEN_FILE", file(&globals.token_file)),
                ("PACKHOUSE_COMPONENT", file(&globals.component)),
            ],
        }
    }
}

/// The command may change its folder. A path that can't be completed stays as it is.
fn absolute(path: &Path) -> OsString {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).into_os_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(names: &StoreNames, name: &str) -> Option<String> {
        let (_, value) = names.variables.iter().find(|(it, _)| *it == name).unwrap();
        value.as_ref().map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn commands_find_the_store_of_the_console() {
        let local = Globals { data: Some("/srv/store".into()), ..Globals::default() };
        let names = StoreNames::of(&local);
        assert_eq!(names.place.data.as_deref(), Some("/srv/store"));
        assert_eq!(value(&names, "PACKHOUSE_DATA").as_deref(), Some("/srv/store"));
        assert_eq!((value(&names, "PACKHOUSE_REMOTE"), names.place.url), (None, None));
        let relative = Globals { data: Some("store".into()), ..Globals::default() };
        let here = std::env::current_dir().unwrap().join("store");
        let named = value(&StoreNames::of(&relative), "PACKHOUSE_DATA");
        assert_eq!(named.as_deref(), here.to_str());
        let url = "http://host:1";
        let remote = Globals { remote: Some(url.to_owned()), ..local };
        let names = StoreNames::of(&remote);
        assert_eq!(names.place.url.as_deref(), Some(url));
        assert_eq!(value(&names, "PACKHOUSE_REMOTE").as_deref(), Some(url));
        assert_eq!((value(&names, "PACKHOUSE_DATA"), names.place.data), (None, None));
    }
}
