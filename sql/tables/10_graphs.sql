-- One workflow graph, by owner and content. A workflow started a million times is stored once.
-- There is no unique key on the hash: one start would have to wait for another's open transaction.
-- No foreign key points here: row locks on one shared row would cost every start.
create table df.graphs (
    id         bigint generated always as identity primary key,
    owner      regrole not null default quote_ident(current_user)::regrole,
    hash       bytea not null,
    graph      text not null,
    created_at timestamptz not null default now(),
    -- Set by retention: no start takes the graph up any more; doomed_while is the transactions that
    -- ran once everybody could see that.
    doomed_xid xid8,
    doomed_while text[],
    constraint graphs_hash_is_sha256 check (octet_length(hash) = 32)
);
create index graphs_by_content on df.graphs (owner, hash) where doomed_xid is null;
