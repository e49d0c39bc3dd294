-- Starting a workflow. df.start and df.start_once pin the search_path for what they call; whoever calls
-- that by itself does so with no other rights than their own.

drop function if exists df.insert_instance(bigint, text, text, text);  -- wrote what the trigger writes now

-- What a start is likely to store its graph as. What begins as a statement does, a word and then another,
-- is no node and no refused step (df.step_fault): its canonical text is known without judging it. A node's is mostly as
-- it stands. Every name is qualified instead of pinned, so that the server can put it in line.
create or replace function df.likely_graph(p_fut text) returns text
    language sql stable
    as $$
    select case when p_fut operator(pg_catalog.~) E'^(?!(?:Instance|Invalid|flowchart|SLEEP|SIGNAL|HTTP|BREAK|THEN|JOIN|RACE|IF|LOOP)\\s)'
                    '[A-Za-z]+\\s+[^\\s.]'
                then '{"node_type":"SQL","query":' operator(pg_catalog.||) pg_catalog.to_json(p_fut)::pg_catalog.text
                     operator(pg_catalog.||) '}'
                else p_fut end
$$;

-- Finds or stores the caller's graph. Reuses a row this transaction can see that is not doomed;
-- never waits for another transaction. Returns the graph's id.
create or replace function df.store_graph(p_fut text) returns bigint
    language plpgsql volatile
    as $$
declare
    v_owner regrole := quote_ident(current_user)::regrole;
    v_graph text := df.likely_graph(p_fut);
    v_hash  bytea;
    v_id    bigint;
begin
    loop
        v_hash := sha256(convert_to(v_graph, 'UTF8'));
        select g.id into v_id from df.graphs g
         where g.owner = v_owner and g.hash = v_hash and g.doomed_xid is null limit 1;
        if found then
            return v_id;
        end if;
        p_fut := df.check_graph(p_fut);
        exit when v_graph = p_fut;
        v_graph := p_fut;
    end loop;
    insert into df.graphs (hash, graph) values (v_hash, v_graph) returning id into v_id;
    return v_id;
end
$$;

-- Any role that may start may also insert a graph by hand; what df.start refuses is refused then too,
-- so that nobody who reads graphs has to fear one. Runs as the role that inserts; df_owner's members
-- and superusers may insert anything.
create or replace function df.refuse_bad_graph() returns trigger
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
begin
    if df.acts_as_owner(quote_ident(current_user)::regrole::oid) then
        return new;
    end if;
    if octet_length(new.graph) > df.setting('max_graph_bytes')::bigint then
        raise exception 'the graph has % bytes, more than the max_graph_bytes setting of %',
            octet_length(new.graph), df.setting('max_graph_bytes') using errcode = '54000';
    end if;
    if new.hash is distinct from sha256(convert_to(new.graph, 'UTF8'))
       or new.graph is distinct from df.check_graph(new.graph) then
        raise exception 'Invalid durable function graph: root: not as df.start writes it' using errcode = '22023';
    end if;
    return new;
end
$$;

drop trigger if exists graphs_checked on df.graphs;
create trigger graphs_checked before insert on df.graphs
    for each row execute function df.refuse_bad_graph();

-- A new instance's start event, and what it takes from its role. Every start pays for this: it pins no search_path, so every
-- name is qualified; what most roles have none of is looked for only once there is some; and the owner of the tables writes the event:
-- no policy has to find the instance again. An id whose event is there is taken: another one is drawn, by chance that no setseed() repeats.
-- A row with a key may yet find the key taken, and its inserter may pass over that: whoever gives a key writes the event once the row
-- is there.
create or replace function df.admit_instance() returns trigger
    language plpgsql volatile security definer
    as $$
begin
    if pg_catalog.pg_sequence_last_value('df.start_asks') is not null then
        new.vars := df.admitted_vars(new.submitted_by);
    end if;
    if new.once_key is null then
        loop
            insert into df.outbox (event_id, instance_id, kind, submitted_by)
            values (new.id operator(pg_catalog.||) '/start', new.id, 'start', new.submitted_by)
            on conflict (event_id) do nothing;
            exit when found;
            new.id := pg_catalog.left(pg_catalog.translate(pg_catalog.encode(pg_catalog.uuid_send(
                pg_catalog.gen_random_uuid()), 'base64'), '+/', 'kQ'), 8);
        end loop;
    end if;
    new.root_node := new.id operator(pg_catalog.||) ':root';
    return new;
end
$$;

drop function if exists df.admitted_vars(json, regrole);  -- took what callers could once give

-- The variables of a new instance, those of its role, as an object of texts; null where there are none. Refuses
-- it where its role has as many unfinished as it may.
create or replace function df.admitted_vars(p_owner regrole) returns json
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_limit    bigint;
    v_has_vars boolean;
    v_vars     json;
begin
    select coalesce(s.value, s.default_value)::bigint,
           -- In the order of the key, or a role without any would have everybody's read.
           (select true from df.vars v where v.owner = p_owner order by v.name limit 1)
      into v_limit, v_has_vars
      from df.setting_values s where s.name = 'max_pending_per_role';
    if v_limit > 0 and v_limit <= (
            select count(*) from (
                select from df.instances i
                 where i.submitted_by = p_owner and i.status in ('pending', 'running')
                limit v_limit) as unfinished) then
        raise exception 'role % has % unfinished instances, the max_pending_per_role setting',
            p_owner, v_limit using errcode = '54000';
    end if;
    if v_has_vars is null then
        return null;
    end if;
    v_vars := (select json_object_agg(v.name, v.value order by v.name) from df.vars v where v.owner = p_owner);
    if octet_length(v_vars::text) > df.setting('max_vars_bytes')::bigint then
        raise exception 'the variables have % bytes, more than the max_vars_bytes setting of %',
            octet_length(v_vars::text), df.setting('max_vars_bytes') using errcode = '54000';
    end if;
    return v_vars;
end
$$;

-- From the first variable or limit on, every start asks for both. A transaction that takes its own back leaves the sequence called, which costs
-- starts a query and nothing else; one that commits has called it before anybody can see what it wrote.
create or replace function df.ask_at_starts() returns trigger
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
begin
    if pg_sequence_last_value('df.start_asks') is null then
        perform nextval('df.start_asks');
    end if;
    return null;
end
$$;

-- Always: where rows come by replication or a restore, too.
drop trigger if exists vars_asked on df.vars;
create trigger vars_asked after insert on df.vars
    for each statement execute function df.ask_at_starts();
alter table df.vars enable always trigger vars_asked;
drop trigger if exists limit_asked on df.setting_values;
create trigger limit_asked after insert or update on df.setting_values
    for each row when (new.name = 'max_pending_per_role' and coalesce(new.value, new.default_value) <> '0')
    execute function df.ask_at_starts();
alter table df.setting_values enable always trigger limit_asked;

-- Always: a start in a subscriber's trigger is one, too. A row that comes by replication was admitted where it comes from.
drop trigger if exists instances_admitted on df.instances;
create trigger instances_admitted before insert on df.instances
    for each row when (new.root_node is null) execute function df.admit_instance();
alter table df.instances enable always trigger instances_admitted;

-- Refuses what could never run: a submitter without LOGIN or step login, a superuser who is not
-- allowed, a database that is not there. Reads the catalogs only.
create or replace function df.check_submitter(p_database text) returns void
    language plpgsql stable
    as $$
declare
    v_role record;
begin
    select r.rolsuper, r.rolcanlogin,
           to_regrole(df.step_login_name(r.oid)::text) is not null as has_login
      into v_role from pg_roles r where r.rolname = current_user;
    if v_role.rolsuper and df.setting('allow_superuser_instances') <> 'true' then
        raise exception 'a superuser may not start workflows: the setting allow_superuser_instances is false'
            using errcode = '42501',
                  hint = 'Start it as another role, or SELECT df.configure(''allow_superuser_instances'', ''true'').';
    end if;
    if not v_role.rolcanlogin then
        raise exception 'role % has no LOGIN, so no step could run as it', quote_ident(current_user)
            using errcode = '42501', hint = format('ALTER ROLE %I LOGIN;', current_user);
    end if;
    if not v_role.has_login then
        raise exception 'role % has no step login', quote_ident(current_user)
            using errcode = '42501',
                  hint = format('An administrator runs: SELECT df.grant_usage(%L);', current_user);
    end if;
    if p_database is not null
       and not exists (select from pg_database d where d.datname = p_database and d.datallowconn) then
        raise exception 'database % does not exist', quote_ident(p_database) using errcode = '3D000';
    end if;
end
$$;

-- Errors: 54000 for a label that no instance may have.
create or replace function df.check_label(p_label text) returns void
    language plpgsql immutable
    set search_path = pg_catalog, pg_temp
    as $$
begin
    if octet_length(p_label) > 4096 then
        raise exception 'the label has % bytes, more than the 4096 that one may have', octet_length(p_label)
            using errcode = '54000';
    end if;
end
$$;

-- Starts a workflow in the caller's transaction and returns its instance id (8 characters). The start's
-- event comes with the row (df.admit_instance). Finds its graph by its key, whatever statistics say, as df.step_record does.
-- Errors: 22023 for a bad graph or mode, 42501 for a submitter that may not, 3D000 for a database, 54000 for a label.
create or replace function df.start(
    fut text, label text default null, database text default null,
    transaction_mode text default 'caller') returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    as $$
#variable_conflict use_column
declare
    v_hash  bytea := sha256(convert_to(df.likely_graph(fut), 'UTF8'));
    v_owner regrole := quote_ident(current_user)::regrole;
    v_graph bigint;
    v_id    text;
begin
    -- What hardly a start has stands in one condition: every start reads it.
    if transaction_mode is distinct from 'caller' or octet_length(label) > 4096 then
        return df.start_elsewhere(fut, label, database, transaction_mode);
    end if;
    -- A known graph of a role that plainly may: most starts, so one query says so. What it does not find is
    -- refused with a reason, or stored. What it compares stands in variables, or each comparison would name its functions twice.
    select g.id into v_graph
      from pg_roles r, df.graphs g
     where r.oid = v_owner and r.rolcanlogin and not r.rolsuper
       and to_regrole(df.step_login_name(r.oid)::text) is not null
       and g.owner = v_owner and g.doomed_xid is null
       and g.hash = v_hash;
    if v_graph is null or database is not null then
        perform df.check_submitter(database);
        v_graph := df.store_graph(fut);
    end if;
    insert into df.instances (label, database, graph_id) values (start.label, start.database, v_graph)
    returning id into v_id;
    return v_id;
end
$$;

-- transaction_mode 'new': plain SQL has no second session, so it needs dblink and a connection that
-- the operator configured as the foreign server df_new_transaction.
create or replace function df.start_elsewhere(
    p_fut text, p_label text, p_database text, p_mode text) returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_schema name;
    v_id     text;
begin
    perform df.check_label(p_label);
    if p_mode is distinct from 'new' then
        raise exception 'invalid transaction_mode %: it is ''caller'' or ''new''',
            coalesce(quote_literal(p_mode), 'NULL') using errcode = '22023';
    end if;
    perform df.refuse_inside_workflow('df.start with transaction_mode ''new''');
    perform df.check_submitter(p_database);
    select n.nspname into v_schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace
     where e.extname = 'dblink';
    if v_schema is null then
        raise exception 'transaction_mode ''new'' needs the contrib module dblink'
            using errcode = '0A000', hint = 'CREATE EXTENSION dblink;';
    end if;
    if not exists (select from pg_foreign_server s where s.srvname = 'df_new_transaction') then
        raise exception 'transaction_mode ''new'' needs the foreign server df_new_transaction'
            using errcode = '0A000',
                  hint = 'CREATE SERVER df_new_transaction FOREIGN DATA WRAPPER dblink_fdw OPTIONS (…), a user mapping and GRANT USAGE for each role.';
    end if;
    execute format('select id from %I.dblink(%L, %L) as t(id text)', v_schema, 'df_new_transaction',
        format('select df.start(%L, %L, %L)', p_fut, p_label, p_database)) into v_id;
    return v_id;
end
$$;

-- The same key, role and graph return the first instance's id, whatever the label; the same key
-- with another graph is DF005. A concurrent call with the same key waits for the first to end.
create or replace function df.start_once(
    key text, fut text, label text default null, database text default null) returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    as $$
declare
    v_owner regrole := quote_ident(current_user)::regrole;
    v_graph bigint;
    v_first record;
    v_id    text;
begin
    if key is null or key = '' or octet_length(key) > 1024 then
        raise exception 'df.start_once needs a key of 1 to 1024 bytes' using errcode = '22023';
    end if;
    perform df.check_label(label);
    perform df.check_submitter(database);
    v_graph := df.store_graph(fut);
    for i in 1..20 loop
        select n.id, g.hash into v_first from df.instances n join df.graphs g on g.id = n.graph_id
         where n.submitted_by = v_owner and n.once_key = start_once.key;
        if found then
            if v_first.hash is distinct from (select g.hash from df.graphs g where g.id = v_graph) then
                raise exception 'key % already started another graph as instance %',
                    quote_literal(key), v_first.id using errcode = 'DF005';
            end if;
            return v_first.id;
        end if;
        begin
            insert into df.instances (label, database, graph_id, once_key)
            values (start_once.label, start_once.database, v_graph, start_once.key) returning id into v_id;
            insert into df.outbox (instance_id, kind) values (v_id, 'start');
            return v_id;
        exception when unique_violation then
            null;  -- Another transaction committed the key first: read its row. Or the id was taken.
        end;
    end loop;
    raise exception 'key % is taken by a transaction this one cannot see', quote_literal(key)
        using errcode = '40001';
end
$$;
