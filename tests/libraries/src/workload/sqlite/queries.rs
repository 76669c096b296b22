//! What is asked in SQL.

use super::api::Api;
use super::connection::Connection;
use crate::{Digest, Result};
use std::ffi::{CStr, c_int};

const SCHEMA: &[&CStr] = &[
    c"create table kind (id integer primary key, name text not null unique, parent integer references kind)",
    c"create table item (
        id integer primary key, kind integer not null references kind, name text collate nocase,
        price integer check (price >= 0), weight real, photo blob,
        label text generated always as (name || '/' || kind) virtual)",
    c"create table log (id integer primary key autoincrement, what text, item integer)",
    c"create table pair (a, b, c default (1 + 1), primary key (a, b)) without rowid",
    c"create index item_kind on item (kind, price desc)",
    c"create index item_cheap on item (price) where price < 500",
    c"create index item_lower on item (lower(name))",
    c"create view dear as select k.name as kind, i.name, i.price from item i join kind k on k.id = i.kind
        where i.price > 9000",
    c"create trigger item_gone after delete on item begin
        insert into log (what, item) values ('gone', old.id); end",
    c"create trigger item_dear after update of price on item when new.price > 20000 begin
        insert into log (what, item) values ('dear', new.id); end",
    c"create trigger dear_add instead of insert on dear begin
        insert into item (kind, name, price) values (1, new.name, new.price); end",
];

const QUESTIONS: &[&CStr] = &[
    c"select count(*), min(price), max(price), avg(weight), sum(price), group_concat(distinct kind) from item",
    c"select k.name, count(*), sum(i.price) from item i join kind k on k.id = i.kind
        group by k.id having count(*) > 1 order by 3 desc, 1",
    c"select k.name, i.name from kind k left join item i on i.kind = k.id and i.price < 5 order by 1, 2 limit 50",
    c"select id, name from item where name like 'item 1%7' order by name limit 40 offset 3",
    c"select id from item where name glob '*[3-5]9' limit 30",
    c"select id from item where lower(name) = 'item 17'",
    c"select id, price from item where price between 100 and 140 and kind in (1, 3, 5) order by price, id",
    c"select id from item where kind = 2 and (price = 7 or weight < 0.5) order by id limit 25",
    c"select distinct kind from item where exists (select 1 from log) is false order by kind",
    c"select id, row_number() over w, rank() over w, sum(price) over w, lag(id, 2, -1) over w,
        ntile(4) over w, first_value(id) over w from item where id < 300
        window w as (partition by kind order by price, id rows between 3 preceding and current row) order by id",
    c"with recursive tree (id, path) as (select id, name from kind where parent is null
        union all select k.id, tree.path || '>' || k.name from kind k join tree on k.parent = tree.id)
        select * from tree order by path",
    c"with recursive n (i) as (values (1) union all select i + 1 from n where i < 2000)
        select sum(i), sum(i * i % 7), count(*) filter (where i % 3 = 0) from n",
    c"select id from item where kind = 1 intersect select id from item where price < 500
        except select id from item where id % 2 order by 1 limit 60",
    c"select * from dear order by price desc, name limit 20",
    c"select date('2024-02-29', '+1 year'), strftime('%Y-%j %H:%M:%f', 1700000000, 'unixepoch'),
        julianday('2000-01-01 12:00'), time('12:00', '+90 minutes'), datetime('2024-03-31', 'start of month', '-1 day', 'weekday 1')",
    c"select json_extract('{\"a\": [1, 2, {\"b\": null}]}', '$.a[2].b'), json_array(1, 'x', null),
        json_object('k', 1.5), json_set('{}', '$.n', json('[true]')), json_valid('{'), json_type('[1]'),
        json_group_array(name), json_patch('{\"a\":1}', '{\"b\":2}') from kind",
    c"select key, value, type, fullkey from json_tree('{\"x\": [10, {\"y\": \"z\"}], \"w\": 2e3}')",
    c"select abs(-3), round(2.567, 2), hex(x'00ff'), quote('it''s'), substr('prologue', 3, 4), instr('abc', 'c'),
        upper('ab'), trim('  x '), replace('aXbX', 'X', '-'), printf('%05d|%8.3f|%s|%x', 42, 3.14159, 'ok', 255),
        coalesce(null, 5), nullif(1, 1), typeof(1.0), unicode('A'), char(72, 105), zeroblob(3), likely(1), iif(1, 2, 3)",
    c"select cast('12abc' as integer), cast(3.9 as integer), 7 / 2, -7 % 3, 1 << 40, ~5, 5 & 3 | 8, '10' + 5, 1e308 * 10,
        9223372036854775807 + 1, 'a' < 'B', 'a' collate nocase < 'B', x'61' = 'a', null is null, 1 between 0 and 2",
    c"select case kind when 1 then 'one' when 2 then 'two' else 'more' end as word, count(*) from item group by word order by word",
    c"select a.id, b.id from item a, item b where a.id < 60 and b.id < 60 and a.kind = b.kind and a.price < b.price
        order by a.id, b.id limit 100",
    c"select max(label), length(max(photo)), sum(length(photo)), total(weight) from item",
    c"explain query plan select * from item where kind = 3 and price > 10 order by name",
    c"explain select count(*) from item where price < 100",
    c"pragma table_xinfo(item)",
    c"pragma index_list(item)",
    c"pragma foreign_key_check",
];

const CHANGES: &[&CStr] = &[
    c"begin",
    c"savepoint one",
    c"update item set price = price * 3 where kind = 4",
    c"savepoint two",
    c"delete from item where id % 5 = 0",
    c"select count(*), sum(price) from item",
    c"rollback to two",
    c"select count(*), sum(price) from item",
    c"release one",
    c"commit",
    c"begin immediate",
    c"delete from item",
    c"rollback",
    c"insert into pair (a, b) values (1, 2), (1, 3), ('x', x'00')",
    c"insert into pair values (1, 2, 9) on conflict (a, b) do update set c = excluded.c + c returning a, b, c",
    c"insert or replace into pair values (1, 3, null)",
    c"insert or ignore into pair values (1, 3, 4)",
    c"update pair set c = (select count(*) from item) where a = 1 returning *",
    c"insert into dear (kind, name, price) values ('x', 'through a view', 99999)",
    c"update item set price = price + 20000 where id between 10 and 30",
    c"delete from item where id between 40 and 60",
    c"select what, count(*), sum(item) from log group by what order by what",
    c"alter table pair add column d text default 'd'",
    c"alter table pair rename column c to cc",
    c"alter table pair rename to pairs",
    c"select * from pairs order by 1, 2",
    c"create table copied as select id, price from item where id % 9 = 1",
    c"analyze",
    c"select tbl, idx, stat from sqlite_stat1 order by 1, 2",
    c"reindex",
    c"drop index item_lower",
    c"drop table copied",
    c"pragma integrity_check",
    c"pragma quick_check",
    c"vacuum",
    c"select type, name, sql from sqlite_master order by name",
    c"attach ':memory:' as other",
    c"create table other.t (x)",
    c"insert into other.t select price from item order by id limit 50",
    c"select sum(x) from other.t",
    c"detach other",
];

const MISTAKES: &[&CStr] = &[
    c"select",
    c"selekt 1",
    c"select * from nowhere",
    c"select nothing from item",
    c"insert into kind (id, name) values (1, 'twice')",
    c"insert into kind (id, name) values (100, null)",
    c"insert into item (kind, name, price) values (1, 'cheap', -1)",
    c"insert into pairs values (1)",
    c"select abs(1, 2)",
    c"select json_extract('{', '$.a')",
    c"select abs(-9223372036854775808)",
    c"create table kind (x)",
    c"drop table nowhere",
    c"rollback to nowhere",
    c"select sum(x) over (order by y from item",
    c"attach '/nowhere/at/all.db' as x",
    c"select 1 union select 1, 2",
    c"commit",
];

/// What was compiled in, and the helpers that need no database.
pub(super) fn about(api: &Api, digest: &mut Digest) {
    // SAFETY: all arguments are strings or numbers; what is returned stays, or is freed here.
    unsafe {
        digest.bytes(CStr::from_ptr((api.sqlite3_libversion)()).to_bytes());
        let mut index = 0;
        loop {
            let option = (api.sqlite3_compileoption_get)(index);
            if option.is_null() {
                break;
            }
            digest.bytes(CStr::from_ptr(option).to_bytes());
            index += 1;
        }
        digest.code((api.sqlite3_complete)(c"select 1; -- x".as_ptr()));
        digest.code((api.sqlite3_complete)(
            c"create trigger t begin select 1;".as_ptr(),
        ));
        digest.code((api.sqlite3_strglob)(
            c"a*[b-d]?".as_ptr(),
            c"axxcz".as_ptr(),
        ));
        digest.code((api.sqlite3_strlike)(
            c"A%\\_".as_ptr(),
            c"abc_".as_ptr(),
            92,
        ));
        digest.code((api.sqlite3_stricmp)(c"Same".as_ptr(), c"sAME".as_ptr()));
        digest.code((api.sqlite3_keyword_count)());
        let format = c"%d %s %q %Q %.3f %lld %x %c".as_ptr();
        let text = (api.sqlite3_mprintf)(
            format,
            -7 as c_int,
            c"s".as_ptr(),
            c"it's".as_ptr(),
            c"it's".as_ptr(),
            2.5_f64,
            1_i64 << 40,
            255 as c_int,
            c_int::from(b'c'),
        );
        digest.bytes(CStr::from_ptr(text).to_bytes());
        (api.sqlite3_free)(text.cast());
    }
}

/// Makes the tables and `rows` items.
pub(super) fn fill(connection: &mut Connection, rows: u32) -> Result<()> {
    for statement in SCHEMA {
        connection.run(statement)?;
    }
    connection.run(c"begin")?;
    let kind = connection.prepare(c"insert into kind values (?1, ?2, nullif(?1 / 2, 0))")?;
    for id in 1..=7 {
        kind.bind_integer(1, id)?;
        kind.bind_text(2, &format!("kind {id}"))?;
        kind.once()?;
    }
    let item = connection.prepare(
        c"insert into item (id, kind, name, price, weight, photo) values (:id, :kind, :name, :price, :weight, :photo)",
    )?;
    parameters(connection, item.statement);
    let mut state = 1_u64;
    for id in 1..=i64::from(rows) {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let random = (state >> 33) as i64;
        item.bind_integer(1, id)?;
        item.bind_integer(2, random % 7 + 1)?;
        item.bind_text(3, &format!("Item {}", random % 1000))?;
        item.bind_integer(4, random / 7 % 10_000)?;
        item.bind_float(5, (random % 997) as f64 / 31.0)?;
        item.bind_blob(6, &state.to_le_bytes()[..(random % 9) as usize])?;
        item.once()?;
    }
    drop((kind, item));
    connection.run(c"commit")?;
    // SAFETY: the connection is open.
    unsafe {
        let (api, db) = (connection.api, connection.db);
        connection.digest.code((api.sqlite3_changes)(db));
        connection.digest.code((api.sqlite3_total_changes)(db));
        connection.digest.code((api.sqlite3_last_insert_rowid)(db));
        connection.digest.code((api.sqlite3_get_autocommit)(db));
        connection.digest.code((api.sqlite3_limit)(db, 0, -1));
    }
    Ok(())
}

/// The names of a statement's parameters, bound to other kinds of value.
fn parameters(connection: &mut Connection, statement: super::api::Statement) {
    let (api, digest) = (connection.api, &mut *connection.digest);
    // SAFETY: the statement is prepared; its names are strings while it is.
    unsafe {
        for index in 1..=(api.sqlite3_bind_parameter_count)(statement) {
            let name = (api.sqlite3_bind_parameter_name)(statement, index);
            digest.bytes(CStr::from_ptr(name).to_bytes());
            digest.code((api.sqlite3_bind_parameter_index)(statement, name));
        }
        digest.code((api.sqlite3_bind_zeroblob)(statement, 6, 5));
        digest.code((api.sqlite3_bind_null)(statement, 5));
        let expanded = (api.sqlite3_expanded_sql)(statement);
        digest.bytes(CStr::from_ptr(expanded).to_bytes());
        (api.sqlite3_free)(expanded.cast());
        digest.code((api.sqlite3_clear_bindings)(statement));
    }
}

/// Everything that only reads.
pub(super) fn ask(connection: &mut Connection) -> Result<()> {
    QUESTIONS
        .iter()
        .try_for_each(|question| connection.run(question))
}

/// Everything that writes.
pub(super) fn change(connection: &mut Connection) -> Result<()> {
    CHANGES.iter().try_for_each(|change| connection.run(change))
}

/// Everything that must fail.
pub(super) fn mistakes(connection: &mut Connection) -> Result<()> {
    MISTAKES
        .iter()
        .try_for_each(|mistake| connection.fail(mistake))
}

/// Full-text and spatial indexes, if they are compiled in.
pub(super) fn extensions(connection: &mut Connection) -> Result<()> {
    const EXTENSIONS: [(&CStr, &[&CStr]); 4] = [
        (
            c"ENABLE_FTS5",
            &[
                c"create virtual table words using fts5 (name, tokenize = 'porter unicode61')",
                c"insert into words (rowid, name) select id, name || ' jumping of functions' from item where id < 2000",
                c"select rowid, highlight(words, 0, '<', '>'), bm25(words) from words
                    where words match 'jump AND item NOT 500' order by rank, rowid limit 20",
                c"select count(*) from words where words match '\"item 1\" OR func*'",
                c"insert into words (words) values ('optimize')",
                c"drop table words",
            ],
        ),
        (
            c"ENABLE_FTS3",
            &[
                c"create virtual table old using fts4 (name)",
                c"insert into old select name || ' patched' from item where id < 500",
                c"select docid, snippet(old) from old where old match 'patched NEAR/2 item' order by docid limit 10",
                c"drop table old",
            ],
        ),
        (
            c"ENABLE_RTREE",
            &[
                c"create virtual table boxes using rtree (id, left, right, top, bottom)",
                c"insert into boxes select id, price % 100, price % 100 + 5, weight, weight + 3 from item where id < 2000",
                c"select count(*), sum(id) from boxes where left > 20 and right < 60 and top > 3 and bottom < 20",
                c"delete from boxes where id % 3 = 0",
                c"select count(*) from boxes",
                c"drop table boxes",
            ],
        ),
        (
            c"ENABLE_DBSTAT_VTAB",
            &[c"select name, count(*), sum(ncell) from dbstat group by name order by name"],
        ),
    ];
    for (option, statements) in EXTENSIONS {
        // SAFETY: an option is a string.
        if unsafe { (connection.api.sqlite3_compileoption_used)(option.as_ptr()) } != 0 {
            statements
                .iter()
                .try_for_each(|statement| connection.run(statement))?;
        }
    }
    Ok(())
}
