-- PostgreSQL database dump
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA app;
ALTER SCHEMA app OWNER TO postgres;
CREATE SCHEMA df;
ALTER SCHEMA df OWNER TO df_owner;
CREATE DOMAIN df.event_key AS text COLLATE pg_catalog."C"
	CONSTRAINT event_key_size CHECK ((octet_length(VALUE) <= 1024));
ALTER DOMAIN df.event_key OWNER TO df_owner;
CREATE DOMAIN df.event_kind AS text COLLATE pg_catalog."C"
	CONSTRAINT event_kind_known CHECK ((VALUE = ANY (ARRAY['start'::text, 'cancel'::text, 'signal'::text, 'retry'::text, 'pause'::text, 'resume'::text, 'release'::text])));
ALTER DOMAIN df.event_kind OWNER TO df_owner;
CREATE DOMAIN df.event_payload AS text
	CONSTRAINT event_payload_size CHECK ((octet_length(VALUE) <= 65536));
ALTER DOMAIN df.event_payload OWNER TO df_owner;
CREATE DOMAIN df.instance_status AS text
	CONSTRAINT instance_status_known CHECK ((VALUE = ANY (ARRAY['pending'::text, 'running'::text, 'completed'::text, 'failed'::text, 'cancelled'::text])));
ALTER DOMAIN df.instance_status OWNER TO df_owner;
CREATE DOMAIN df.label AS text
	CONSTRAINT label_size CHECK ((octet_length(VALUE) <= 4096));
ALTER DOMAIN df.label OWNER TO df_owner;
CREATE DOMAIN df.run_status AS text
	CONSTRAINT run_status_known CHECK ((VALUE = ANY (ARRAY['completed'::text, 'failed'::text, 'waiting'::text, 'intent'::text, 'decided'::text, 'checkpoint'::text])));
ALTER DOMAIN df.run_status OWNER TO df_owner;
CREATE FUNCTION df.acts_as_owner(p_role oid) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select coalesce((select r.rolsuper or pg_has_role(r.oid, 'df_owner', 'usage')
                       from pg_roles r where r.oid = p_role), false)
$$;
ALTER FUNCTION df.acts_as_owner(p_role oid) OWNER TO df_owner;
CREATE FUNCTION df.admit_instance() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    AS $$
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
ALTER FUNCTION df.admit_instance() OWNER TO df_owner;
CREATE FUNCTION df.admitted_vars(p_owner regrole) RETURNS json
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
ALTER FUNCTION df.admitted_vars(p_owner regrole) OWNER TO df_owner;
CREATE FUNCTION df.apply_cancel(p_instance text, p_submitter regrole, p_reason text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
begin
    -- The lock comes first: a step that commits while this waits has ended before the cancel.
    perform 1 from df.instances i where i.id = p_instance for no key update;
    update df.instances i
       set status = 'cancelled', error = coalesce(p_reason, 'Cancelled by user'),
           ended_at = clock_timestamp(), updated_at = clock_timestamp(),
           ending_xid = pg_current_xact_id()
     where i.id = p_instance and i.ended_at is null
       and (i.submitted_by = p_submitter or df.is_admin(p_submitter));
    if not found then
        delete from df.outbox o where o.event_id = p_instance || '/cancel';
    end if;
end
$$;
ALTER FUNCTION df.apply_cancel(p_instance text, p_submitter regrole, p_reason text) OWNER TO df_owner;
CREATE FUNCTION df.apply_event() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_inst record;
begin
    if new.kind in ('start', 'signal') then
        return null;
    elsif new.kind = 'cancel' then
        perform df.apply_cancel(new.instance_id, new.submitted_by, nullif(new.payload, ''));
        return null;
    end if;
    select i.id, i.status, i.owner, i.error_path, i.graph_id, i.submitted_by into v_inst
      from df.instances i
     where i.id = new.instance_id
       and (i.submitted_by = new.submitted_by or df.is_admin(new.submitted_by))
       for no key update;
    if not found then
        return null;
    end if;
    case new.kind
    when 'retry' then
        if v_inst.status = 'failed' then
            -- Written by hand; a relay failed it for that.
            if not exists (select from df.graphs g
                            where g.id = v_inst.graph_id and g.owner = v_inst.submitted_by) then
                raise exception 'instance % cannot be retried: its graph is not there, or not its submitter''s',
                    v_inst.id using errcode = '55000', hint = 'Start a workflow with df.start.';
            end if;
            perform df.undo_failure(v_inst.id, v_inst.graph_id, v_inst.error_path);
            update df.instances i
               set status = 'running', epoch = i.epoch + 1, owner = null, wake_at = df.clock(),
                   ended_at = null, ending_xid = null, error = null, error_sqlstate = null,
                   error_path = null, paused_at = null, updated_at = clock_timestamp()
             where i.id = v_inst.id;
            perform df.hand_inbox(v_inst.id);
        end if;
    when 'pause' then
        -- One that no relay has claimed yet reads running, too: its epoch of 0 still says so.
        update df.instances i
           set status = 'running', paused_at = clock_timestamp(), updated_at = clock_timestamp()
         where i.id = v_inst.id and i.ended_at is null and i.paused_at is null;
    when 'resume' then
        -- Not before now, where a scan of the queue may not start any more.
        update df.instances i set paused_at = null, wake_at = greatest(i.wake_at, df.clock()),
               updated_at = clock_timestamp()
         where i.id = v_inst.id and i.ended_at is null and i.paused_at is not null;
    when 'release' then
        update df.outbox o set parked_at = null, retry_at = null, attempts = 0
         where o.event_id = new.payload and o.instance_id = new.instance_id and o.delivered_at is null;
    end case;
    return null;
end
$$;
ALTER FUNCTION df.apply_event() OWNER TO df_owner;
CREATE FUNCTION df."as"(fut text, name text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  v_node text := df.node_of(fut, 'df.as');
begin
  if name ~ '^[A-Za-z_][A-Za-z0-9_]*$' then
    -- An unnamed leaf as the builders write it: the name goes before its closing brace.
    if v_node ~ E'^\\{"node_type":"[A-Z_]+","query":"(?:[^"\\\\]|\\\\.)*"\\}$' then
      return left(v_node, -1) || ',"result_name":"' || name || '"}';
    end if;
    return df.node_with(v_node, 'result_name', '"' || name || '"');
  end if;
  perform df.refuse('df.as', df.name_fault(name));
end
$_$;
ALTER FUNCTION df."as"(fut text, name text) OWNER TO df_owner;
CREATE FUNCTION df.ask_at_starts() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if pg_sequence_last_value('df.start_asks') is null then
        perform nextval('df.start_asks');
    end if;
    return null;
end
$$;
ALTER FUNCTION df.ask_at_starts() OWNER TO df_owner;
CREATE FUNCTION df.assert_structural_invariants(instance_id text, skip text[] DEFAULT '{}'::text[]) RETURNS TABLE(invariant text, node_id text, detail text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
    return query
    select v.invariant, assert_structural_invariants.instance_id || ':' || v.path, v.detail
      from (select * from df.violations_of_runs(assert_structural_invariants.instance_id)
            union all
            select * from df.violations_of_constructs(assert_structural_invariants.instance_id)
            union all
            select * from df.violations_of_states(assert_structural_invariants.instance_id)) v
     where v.invariant <> all (coalesce(skip, '{}'))
     order by v.invariant, v.path, v.detail;
end
$$;
ALTER FUNCTION df.assert_structural_invariants(instance_id text, skip text[]) OWNER TO df_owner;
CREATE FUNCTION df.await_instance(instance_id text, timeout_seconds integer DEFAULT 30) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_until  timestamptz;
    v_status text;
    v_mine   boolean;
    v_pause  double precision := 0.005;
begin
    perform df.refuse_inside_workflow('df.await_instance');
    if timeout_seconds is null or timeout_seconds <= 0 then
        raise exception 'timeout_seconds must be positive, not %', coalesce(timeout_seconds::text, 'NULL')
            using errcode = '22023';
    end if;
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        raise exception 'df.await_instance needs READ COMMITTED: this transaction''s snapshot never changes'
            using errcode = '55000';
    end if;
    v_until := clock_timestamp() + make_interval(secs => timeout_seconds);
    v_status := df.visible_status(await_instance.instance_id);
    select df.is_uncommitted(i.xmin) and i.epoch = 0 into v_mine
      from df.instances i where i.id = await_instance.instance_id;
    if v_mine then
        raise exception 'instance % was started by this transaction: commit first', await_instance.instance_id
            using errcode = '55000';
    end if;
    loop
        if v_status in ('completed', 'failed', 'cancelled') then
            return v_status;
        end if;
        if clock_timestamp() >= v_until then
            raise exception 'instance % is still % after % seconds', await_instance.instance_id,
                v_status, timeout_seconds
                using errcode = '57014',
                      hint = format('SELECT * FROM df.why(%L) says what it waits for.', await_instance.instance_id);
        end if;
        perform pg_sleep(least(v_pause, greatest(extract(epoch from v_until - clock_timestamp()), 0)));
        v_pause := least(v_pause * 1.5, 0.25);
        v_status := df.visible_status(await_instance.instance_id);
    end loop;
end
$$;
ALTER FUNCTION df.await_instance(instance_id text, timeout_seconds integer) OWNER TO df_owner;
CREATE FUNCTION df.blocked_steps(p_instance text, p_role oid) RETURNS TABLE(pid integer, blocker integer, detail text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    with step as (
        select a.pid, a.application_name like '%' || p_instance || '%' as named
          from pg_stat_activity a where a.usename = df.step_login_name(p_role)),
    blocked as (
        select s.pid, b.pid as blocker from step s, unnest(pg_blocking_pids(s.pid)) as b(pid)
         where s.named or not exists (select from step o where o.named))
    select b.pid, b.blocker,
           format('A step of this role (backend %s) waits for a lock that %s holds%s.', b.pid,
               case b.blocker when 0 then 'a prepared transaction' else 'backend ' || b.blocker end,
               case when a.pid is null then ''
                    else format(' (role %s%s%s%s)', quote_ident(a.usename),
                        coalesce(', application ' || nullif(quote_literal(a.application_name), ''''''), ''),
                        coalesce(', ' || a.state, ''),
                        coalesce(' since ' || df.readable_time(a.state_change), '')) end)
      from blocked b left join pg_stat_activity a on a.pid = b.blocker
     order by b.pid, b.blocker
$$;
ALTER FUNCTION df.blocked_steps(p_instance text, p_role oid) OWNER TO df_owner;
CREATE FUNCTION df.bound_of(p_bounds json, p_role oid) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS $$ select coalesce((p_bounds -> 'instances' ->> p_role::text)::timestamptz, '-infinity') $$;
ALTER FUNCTION df.bound_of(p_bounds json, p_role oid) OWNER TO df_owner;
CREATE FUNCTION df.break(value text DEFAULT NULL::text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return '{"node_type":"BREAK","query":' || to_json(
    '{"break_value":' || coalesce(to_json(value)::text, 'null') || '}')::text || '}';
end
$$;
ALTER FUNCTION df.break(value text) OWNER TO df_owner;
CREATE FUNCTION df.calling_role() RETURNS oid
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select r.oid from pg_roles r
     where r.rolname = case when current_setting('role') in ('none', '') then session_user::text
                            else current_setting('role') end
$$;
ALTER FUNCTION df.calling_role() OWNER TO df_owner;
CREATE FUNCTION df.cancel(instance_id text, reason text DEFAULT 'Cancelled by user'::text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if df.visible_status(cancel.instance_id) in ('pending', 'running') then
        insert into df.outbox (instance_id, kind, payload)
        values (cancel.instance_id, 'cancel', left(coalesce(reason, 'Cancelled by user'), 10000))
        on conflict (event_id) do nothing;
    end if;
    return format('Instance %s cancelled: %s', cancel.instance_id,
                  coalesce(reason, 'Cancelled by user'));
end
$$;
ALTER FUNCTION df.cancel(instance_id text, reason text) OWNER TO df_owner;
CREATE FUNCTION df.check_grantee(p_role oid) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if p_role in ('df_owner'::regrole, 'df_relay'::regrole) then
        raise exception 'role % is one of df''s own: its access is neither granted nor revoked', p_role::regrole
            using errcode = '42939', hint = 'df-relay install gives it what it needs.';
    end if;
end
$$;
ALTER FUNCTION df.check_grantee(p_role oid) OWNER TO df_owner;
CREATE FUNCTION df.check_granter(p_granter oid, p_act text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if not has_schema_privilege(p_granter, 'df', 'usage with grant option') then
        raise exception 'role % may not % the use of df', p_granter::regrole, p_act
            using errcode = '42501',
                  hint = 'The installing role may, and whom it granted to with_grant.';
    end if;
end
$$;
ALTER FUNCTION df.check_granter(p_granter oid, p_act text) OWNER TO df_owner;
CREATE FUNCTION df.check_graph(p_input text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  c_most_nodes constant int := 10000;
  c_most_depth constant int := 256;
  c_plain_node constant text := E'^\\{"node_type":"SQL","query":"[A-Za-z(]'
    '(?:[^"\\\\\\x01-\\x1f]|\\\\["\\\\bfnrt])*"'
    '(?:,"result_name":"[A-Za-z_][A-Za-z0-9_]*")?\\}$';
  c_plain_fields constant text[] := array['node_type', 'query'];
  c_pair_fields constant text[] := array['node_type', 'left_node', 'right_node'];
  c_pair_texts constant text[] := array[',"left_node":', ',"right_node":'];
  c_pair_segments constant text[] := array['.left', '.right'];
  c_plain_limit constant int := 10000;
  -- A stack entry is a text to put out, then (unless NULL) a node still to judge.
  v_texts text[] := array[''];
  v_nodes jsonb[];
  v_paths text[] := array['root'];
  v_depths int[] := array[0];
  v_top int := 1;
  v_out text[] := '{}';
  v_written int := 0;
  v_count int := 0;
  v_node jsonb;
  v_path text := 'root';
  v_depth int;
  v_judged record;
  v_type text;
  v_tail text;
  v_child_texts text[];
  v_children jsonb[];
  v_segments text[];
  v_fault text;
  v_detail text;
begin
  -- The commonest graph, one statement as df.sql writes it, is canonical as it stands.
  if length(p_input) < c_plain_limit and p_input ~ c_plain_node then
    return p_input;
  end if;
  v_fault := case when p_input ^@ '{"node_type":"' then null else df.step_fault(p_input) end;
  if v_fault is null and p_input !~ E'^\\s*\\{\\s*"' then
    return df.node_of(p_input, 'root');
  end if;
  begin
    if v_fault is null then
      v_nodes[1] := p_input::jsonb;
    end if;
    while v_fault is null and v_top > 0 loop
      v_written := v_written + 1;
      v_out[v_written] := v_texts[v_top];
      v_node := v_nodes[v_top];
      v_path := v_paths[v_top];
      v_depth := v_depths[v_top];
      v_top := v_top - 1;
      continue when v_node is null;
      v_count := v_count + 1;
      if v_depth > c_most_depth then
        -- The path of such a node would be most of the message.
        v_path := 'root';
        v_fault := format('graph exceeds the maximum nesting depth of %s', c_most_depth);
        exit;
      elsif v_count > c_most_nodes then
        v_path := 'root';
        v_fault := format('graph exceeds the maximum of %s nodes', c_most_nodes);
        exit;
      end if;
      -- Plain statements and bare pairs are most nodes of most graphs: judged here, without a call.
      v_type := v_node ->> 'node_type';
      if v_type = 'SQL' and v_node - c_plain_fields = '{}'
         and jsonb_typeof(v_node -> 'query') = 'string' and v_node ->> 'query' ~ E'\\S' then
        v_written := v_written + 1;
        v_out[v_written] := '{"node_type":"SQL","query":' || (v_node -> 'query')::text || '}';
        continue;
      elsif v_type in ('THEN', 'JOIN', 'RACE') and v_node - c_pair_fields = '{}'
         and jsonb_typeof(v_node -> 'left_node') = 'object'
         and jsonb_typeof(v_node -> 'right_node') = 'object' then
        v_written := v_written + 1;
        v_out[v_written] := '{"node_type":"' || v_type || '"';
        v_tail := '}';
        v_child_texts := c_pair_texts;
        v_children := array[v_node -> 'left_node', v_node -> 'right_node'];
        v_segments := c_pair_segments;
      else
        select t.head, t.tail, t.is_leaf, t.fault into v_judged from df.node_text(v_node) t;
        v_fault := v_judged.fault;
        exit when v_fault is not null;
        v_written := v_written + 1;
        v_out[v_written] := v_judged.head;
        v_tail := v_judged.tail;
        if v_judged.is_leaf then
          v_written := v_written + 1;
          v_out[v_written] := v_tail;
          continue;
        end if;
        select c.texts, c.nodes, c.segments, c.fault
        into v_child_texts, v_children, v_segments, v_fault
        from df.node_children(v_node) c;
        exit when v_fault is not null;
      end if;
      v_top := v_top + 1;
      v_texts[v_top] := case when nullif(v_node -> 'extra_nodes', 'null') -> 0 is null then v_tail
                             else ']' || v_tail end;
      v_nodes[v_top] := null;
      for i in reverse cardinality(v_children) .. 1 loop
        v_top := v_top + 1;
        v_texts[v_top] := v_child_texts[i];
        v_nodes[v_top] := v_children[i];
        v_paths[v_top] := v_path || v_segments[i];
        v_depths[v_top] := v_depth + 1;
      end loop;
    end loop;
  exception
    when invalid_text_representation or untranslatable_character or statement_too_complex
      or program_limit_exceeded or numeric_value_out_of_range then
      get stacked diagnostics v_detail = pg_exception_detail;
      v_fault := df.unreadable_fault(v_node, sqlstate, sqlerrm, v_detail);
  end;
  if v_fault is not null then
    raise exception using errcode = '22023',
      message = format('Invalid durable function graph: %s: %s', v_path, v_fault);
  end if;
  return array_to_string(v_out, '');
end
$_$;
ALTER FUNCTION df.check_graph(p_input text) OWNER TO df_owner;
CREATE FUNCTION df.check_label(p_label text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if octet_length(p_label) > 4096 then
        raise exception 'the label has % bytes, more than the 4096 that one may have', octet_length(p_label)
            using errcode = '54000';
    end if;
end
$$;
ALTER FUNCTION df.check_label(p_label text) OWNER TO df_owner;
CREATE FUNCTION df.check_submitter(p_database text) RETURNS void
    LANGUAGE plpgsql STABLE
    AS $$
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
ALTER FUNCTION df.check_submitter(p_database text) OWNER TO df_owner;
CREATE FUNCTION df.checked_limit(p_limit integer) RETURNS integer
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_most bigint := df.setting('max_list_limit')::bigint;
begin
    if p_limit is null or p_limit < 1 then
        raise exception 'limit_count must be at least 1, not %', coalesce(p_limit::text, 'NULL')
            using errcode = '22023';
    elsif p_limit > v_most then
        raise exception 'limit_count % is above the max_list_limit setting of %', p_limit, v_most
            using errcode = '22023',
                  hint = 'Ask for less and follow next_cursor, or an administrator raises max_list_limit with df.configure.';
    end if;
    return p_limit;
end
$$;
ALTER FUNCTION df.checked_limit(p_limit integer) OWNER TO df_owner;
CREATE FUNCTION df.checkpoint(p_instance text, p_epoch bigint, p_checkpoints json) RETURNS void
    LANGUAGE plpgsql
    SET enable_bitmapscan TO 'off'
    AS $$
declare
    c        record;
    v_part   text;
    v_more   bigint;
    v_waits  bigint;
    v_events text[];
begin
    update df.instances i set executions = i.executions + 1 where i.id = p_instance;
    for c in select * from json_to_recordset(p_checkpoints)
                  as x(path text, turn integer, names json, keep text[]) loop
        insert into df.node_runs as r (instance_id, run_path, status, turn, epoch, detail)
        values (p_instance, c.path, 'checkpoint', c.turn, p_epoch, c.names)
        on conflict (instance_id, run_path) do update
            set turn = excluded.turn, detail = excluded.detail, epoch = excluded.epoch;
        v_waits := 0;
        foreach v_part in array array['.body', '.condition_node'] loop
            v_part := c.path || v_part;
            with gone as (
                delete from df.node_runs r
                 where r.instance_id = p_instance and r.run_path >= v_part || '[' and r.run_path < v_part || E'\\'
                   and split_part(substr(r.run_path, length(v_part) + 2), ']', 1)::integer < c.turn
                   and r.run_path <> all (coalesce(c.keep, '{}'))
                returning r.signal_name)
            select count(g.signal_name) into v_more from gone g;
            v_waits := v_waits + v_more;
        end loop;
        if v_waits > 0 then
            -- The events by the keys of what was taken: of signals that nobody has taken yet there may be very many.
            with taken as (
                delete from df.signals s
                 where s.instance_id = p_instance and s.consumed_at is not null and s.key like 'n/%'
                returning p_instance || '/signal/' || s.key as event_id)
            select array_agg(t.event_id) into v_events from taken t;
            delete from df.outbox o where o.event_id = any (v_events) and o.delivered_at is not null;
        end if;
    end loop;
end
$$;
ALTER FUNCTION df.checkpoint(p_instance text, p_epoch bigint, p_checkpoints json) OWNER TO df_owner;
CREATE FUNCTION df.checkpoints(p_instance text) RETURNS TABLE(run_path text, turn integer)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
    return query
    select r.run_path, coalesce(r.turn, (r.detail #>> '{was,turn}')::integer)
      from df.node_runs r
     where r.instance_id = p_instance
       and (r.status = 'checkpoint' or r.detail #>> '{was,status}' = 'checkpoint');
end
$$;
ALTER FUNCTION df.checkpoints(p_instance text) OWNER TO df_owner;
CREATE FUNCTION df.child_role(p_parent_type text, p_segment text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select case
    when p_parent_type in ('JOIN', 'RACE') then 'branch ' || case p_segment
      when 'left' then 1 when 'right' then 2
      else substring(p_segment from E'\\d+')::int + 3 end
    when p_parent_type = 'IF' then case p_segment
      when 'condition_node' then 'condition' when 'left' then 'then' else 'else' end
    when p_segment = 'body' then 'body'
    when p_parent_type = 'LOOP' then 'while'
  end
$$;
ALTER FUNCTION df.child_role(p_parent_type text, p_segment text) OWNER TO df_owner;
CREATE FUNCTION df.choice_query(p_node_type text, p_query text, p_condition jsonb, OUT query text, OUT fault text) RETURNS record
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_config jsonb := coalesce(p_query, '{}')::jsonb;
begin
  if jsonb_typeof(v_config) <> 'object' then
    fault := format('query in %s must be valid JSON config', p_node_type);
  elsif v_config -> 'condition_node' <> 'null' then
    fault := format('condition_node in %s must be a first-class Durofut field', p_node_type);
  elsif p_node_type = 'LOOP' or v_config ->> 'condition_type' is null then
    fault := case when p_node_type = 'IF' and p_condition is null then
      'condition_node in IF is required' end;
  elsif p_condition is not null then
    fault := 'IF takes condition_node or condition_type, not both';
  elsif v_config -> 'condition_type' <> '"result_has_rows"' then
    fault := format('Unknown condition_type %L in IF', left(v_config ->> 'condition_type', 100));
  else
    fault := df.name_fault(v_config ->> 'result_name');
    query := '{"condition_type":"result_has_rows","result_name":"'
      || (v_config ->> 'result_name') || '"}';
  end if;
end
$$;
ALTER FUNCTION df.choice_query(p_node_type text, p_query text, p_condition jsonb, OUT query text, OUT fault text) OWNER TO df_owner;
CREATE FUNCTION df.claimable(p_owner uuid, p_limit integer, p_runs integer, p_shared boolean, p_bounds json) RETURNS text[]
    LANGUAGE plpgsql
    AS $$
declare
    v_now   timestamptz := df.clock();
    v_roles oid[] := array(select w.role from df.waiting_roles(p_runs, p_bounds) w
                            where w.next_wake <= v_now order by random());
    v_each  integer := ceil(p_limit / greatest(cardinality(v_roles), 1)::numeric);
    v_most  integer := p_limit;
    v_room  integer;
    v_owned jsonb;
    v_role  oid;
    v_ids   text[] := '{}';
begin
    if v_roles = '{}' then
        return v_ids;
    end if;
    if p_limit = 0 or p_shared then
        v_most := df.setting('max_steps_per_role');
        v_each := least(v_each, v_most);
    end if;
    if p_limit = 0 then
        -- Counted once for all roles: a full relay owns thousands.
        select coalesce(jsonb_object_agg(o.role, o.instances), '{}') into v_owned
          from (select i.submitted_by::oid as role, count(*) as instances
                  from df.instances i where i.owner = p_owner group by i.submitted_by) as o;
    end if;
    for v_pass in 1..2 loop
        foreach v_role in array v_roles loop
            v_room := case when p_limit = 0 then v_most - coalesce((v_owned ->> v_role::text)::integer, 0)
                           else least(v_each, p_limit - cardinality(v_ids)) end;
            continue when v_room <= 0;
            v_ids := v_ids || array(
                select i.id from df.instances i
                 where i.owner is null and i.ended_at is null and i.paused_at is null and i.submitted_by = v_role
                   and i.wake_at between df.bound_of(p_bounds, v_role) and v_now
                   and i.min_version <= p_runs and i.id <> all (v_ids)
                 order by i.wake_at limit v_room for update skip locked);
        end loop;
        exit when p_limit = 0 or cardinality(v_ids) >= p_limit or cardinality(v_roles) = 1;
        v_each := v_most;
    end loop;
    return v_ids;
end
$$;
ALTER FUNCTION df.claimable(p_owner uuid, p_limit integer, p_runs integer, p_shared boolean, p_bounds json) OWNER TO df_owner;
CREATE FUNCTION df.clearvars() RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    perform df.refuse_inside_workflow('df.clearvars');
    update df.vars v set value = null where v.owner = quote_ident(current_user)::regrole;
    return 'OK';
end
$$;
ALTER FUNCTION df.clearvars() OWNER TO df_owner;
CREATE FUNCTION df.clock() RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return clock_timestamp() + coalesce((select shift from df.clock_override), interval '0');
end
$$;
ALTER FUNCTION df.clock() OWNER TO df_owner;
CREATE FUNCTION df.configure(name text, value text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_role record;
begin
    if exists (select from df.settings s where s.name = configure.name and s.kind = 'fixed') then
        raise exception 'setting % is fixed: nobody changes it', configure.name using errcode = '22023';
    end if;
    perform df.write_setting(configure.name, configure.value);
    if configure.name = 'allow_superuser_instances' and df.setting('allow_superuser_instances') = 'true'
       and (select r.rolsuper from pg_roles r where r.rolname = current_user) then
        for v_role in select r.oid, r.rolname from pg_roles r where r.rolsuper and r.rolcanlogin loop
            perform df.make_login(v_role.rolname, v_role.oid);
        end loop;
    end if;
    return 'OK';
end
$$;
ALTER FUNCTION df.configure(name text, value text) OWNER TO df_owner;
CREATE FUNCTION df.cron_fault(p_cron text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  c_fields constant text[] := array['minute', 'hour', 'day of month', 'month', 'day of week'];
  c_low constant int[] := array[0, 0, 1, 1, 0];
  c_high constant int[] := array[59, 23, 31, 12, 7];
  c_months constant text[] := array['jan', 'feb', 'mar', 'apr', 'may', 'jun',
    'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
  c_days constant text[] := array['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
  c_month_days constant int[] := array[31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  v_parts text[] := regexp_split_to_array(btrim(p_cron, E' \t\r\n'), E'\\s+');
  v_values int[];
  v_first_day int;
begin
  if p_cron is null then
    return 'the cron expression is NULL';
  elsif cardinality(v_parts) <> 5 then
    return format('invalid cron expression %L: 5 fields are needed (minute hour day-of-month'
      ' month day-of-week)', left(p_cron, 100));
  end if;
  for i in 1 .. 5 loop
    v_values := df.cron_field(v_parts[i], c_low[i], c_high[i],
      case i when 4 then c_months when 5 then c_days else '{}'::text[] end);
    if v_values is null then
      return format('invalid cron expression %L: bad %s %L (%s to %s)', left(p_cron, 100),
        c_fields[i], left(v_parts[i], 40), c_low[i], c_high[i]);
    elsif i = 3 then
      v_first_day := v_values[1];
    elsif i = 4 and (v_parts[3] ^@ '*' or v_parts[5] ^@ '*')
        and v_first_day > (select max(c_month_days[m]) from unnest(v_values) m) then
      return format('invalid cron expression %L: it never matches any date', left(p_cron, 100));
    end if;
  end loop;
  return null;
end
$$;
ALTER FUNCTION df.cron_fault(p_cron text) OWNER TO df_owner;
CREATE FUNCTION df.cron_field(p_field text, p_low integer, p_high integer, p_names text[]) RETURNS integer[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  v_item text;
  v_part text[];
  v_from int;
  v_to int;
  v_values int[] := '{}';
begin
  foreach v_item in array string_to_array(lower(p_field collate "C"), ',') loop
    v_part := regexp_match(v_item,
      E'^(?:(\\*)|(\\d{1,6}|[a-z]{3})(?:-(\\d{1,6}|[a-z]{3}))?)(?:/(\\d{1,6}))?$');
    if v_part is null or v_part[4]::int < 1 then
      return null;
    end if;
    -- `a/step` runs to the field's end; `sat-sun` ends on the Sunday that is 7.
    v_from := case when v_part[1] is not null then p_low
                   when v_part[2] ~ E'\\d' then v_part[2]::int
                   else array_position(p_names, v_part[2]) - 1 + p_low end;
    v_to := case when v_part[1] is not null then p_high
                 when v_part[3] = 'sun' and p_names[1] = 'sun' then 7
                 when v_part[3] ~ E'\\d' then v_part[3]::int
                 when v_part[3] is not null then array_position(p_names, v_part[3]) - 1 + p_low
                 when v_part[4] is not null then p_high
                 else v_from end;
    if v_from is null or v_to is null or v_from < p_low or v_to > p_high or v_from > v_to then
      return null;
    end if;
    v_values := v_values
      || array(select generate_series(v_from, v_to, coalesce(v_part[4]::int, 1)));
  end loop;
  return array(select distinct v from unnest(v_values) v order by v);
end
$_$;
ALTER FUNCTION df.cron_field(p_field text, p_low integer, p_high integer, p_names text[]) OWNER TO df_owner;
CREATE FUNCTION df.database_oid() RETURNS oid
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return (select d.oid from pg_database d where d.datname = current_database());
end
$$;
ALTER FUNCTION df.database_oid() OWNER TO df_owner;
CREATE FUNCTION df.decide(p_instance text, p_epoch bigint, p_within text[], p_turns integer[], p_decides text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    insert into df.node_runs (instance_id, run_path, status, turn, epoch, ended_at)
    select p_instance, w.path, 'decided', w.turn, p_epoch, clock_timestamp()
      from unnest(p_within, p_turns) as w(path, turn)
     where w.path = any (p_decides)
    on conflict (instance_id, run_path) do nothing;
end
$$;
ALTER FUNCTION df.decide(p_instance text, p_epoch bigint, p_within text[], p_turns integer[], p_decides text[]) OWNER TO df_owner;
CREATE FUNCTION df.decided_against(p_instance text, p_within text[], p_turns integer[]) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
begin
    for n in 1..coalesce(cardinality(p_within), 0) loop
        if exists (
            select from df.node_runs r
             where r.instance_id = p_instance and r.run_path = p_within[n]
               and ((r.status = 'decided' and r.turn <> p_turns[n])
                    or (r.status = 'checkpoint' and r.turn > p_turns[n]))) then
            return true;
        end if;
    end loop;
    return false;
end
$$;
ALTER FUNCTION df.decided_against(p_instance text, p_within text[], p_turns integer[]) OWNER TO df_owner;
CREATE FUNCTION df.draw_graph(p_graph text, p_marks jsonb DEFAULT NULL::jsonb, p_format text DEFAULT 'tree'::text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if p_format = 'tree' then
    return df.draw_tree(p_graph, p_marks);
  elsif p_format = 'mermaid' then
    return df.draw_mermaid(p_graph, p_marks);
  end if;
  raise exception using errcode = '22023',
    message = format('invalid format %L: tree or mermaid', p_format);
end
$$;
ALTER FUNCTION df.draw_graph(p_graph text, p_marks jsonb, p_format text) OWNER TO df_owner;
CREATE FUNCTION df.draw_mermaid(p_graph text, p_marks jsonb DEFAULT NULL::jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_row record;
  v_chain int[];
  v_loop int[];
  v_types text[];
  v_parents int[];
  v_segments text[];
  v_conditions jsonb[];
  v_ways jsonb;
  v_lefts jsonb[];
  v_rights jsonb[];
  v_boxes text[] := array['flowchart TD'];
  v_edges text[] := '{}';
  v_id text;
  v_count int := 0;
  v_parent int;
begin
  for v_row in select * from df.node_tree(p_graph) t order by t.ordinal loop
    v_count := v_count + 1;
    v_id := 'n' || v_row.ordinal;
    v_chain[v_row.depth + 1] := v_count;
    v_parent := v_chain[v_row.depth];
    v_types[v_count] := v_row.node_type;
    v_parents[v_count] := v_parent;
    v_segments[v_count] := substr(v_row.path, length(v_row.parent) + 2);
    v_loop[v_count] := case v_types[v_parent] when 'LOOP' then v_parent else v_loop[v_parent] end;
    if v_row.node_type <> 'THEN' then
      v_boxes := v_boxes || df.mermaid_box(v_id, v_row.node_type,
        coalesce((p_marks ->> v_row.path) || ' ', '') || df.node_label(v_row.node_type,
          v_row.query, v_row.result_name, v_row.retry, v_row.node_timeout_seconds));
    end if;
    if v_row.node_type in ('IF', 'LOOP', 'JOIN', 'RACE') then
      v_boxes := v_boxes || df.mermaid_box(v_id || 'e', 'end', 'end');
    elsif v_row.node_type = 'BREAK' and v_loop[v_count] is not null then
      v_edges := v_edges || (v_id || ' -.->|break| n' || v_loop[v_count] - 1 || 'e');
    end if;
  end loop;
  for i in reverse v_count .. 1 loop
    v_id := 'n' || i - 1;
    v_parent := v_parents[i];
    v_ways := case
      when v_types[i] = 'THEN' then jsonb_build_array(v_lefts[i] -> 0, v_rights[i] -> 1)
      when v_types[i] = 'BREAK' then jsonb_build_array(v_id, null)
      when v_types[i] = 'IF' and v_conditions[i] is not null then
        jsonb_build_array(v_conditions[i] -> 0, v_id || 'e')
      when v_types[i] in ('IF', 'LOOP', 'JOIN', 'RACE') then jsonb_build_array(v_id, v_id || 'e')
      else jsonb_build_array(v_id, v_id) end;
    v_edges := v_edges || df.mermaid_edges(v_types[i], v_id,
      array[v_conditions[i] ->> 0, v_conditions[i] ->> 1],
      array[v_lefts[i] ->> 0, v_lefts[i] ->> 1], array[v_rights[i] ->> 0, v_rights[i] ->> 1]);
    if v_types[v_parent] in ('JOIN', 'RACE') then
      v_edges := v_edges || array_remove(array[
        'n' || v_parent - 1 || ' --> ' || (v_ways ->> 0),
        (v_ways ->> 1) || ' --> n' || v_parent - 1 || 'e'], null);
    elsif v_segments[i] = 'condition_node' then
      v_conditions[v_parent] := v_ways;
    elsif v_segments[i] = 'right' then
      v_rights[v_parent] := v_ways;
    elsif v_parent is not null then
      v_lefts[v_parent] := v_ways;
    end if;
  end loop;
  return array_to_string(v_boxes || array(select '  ' || e from unnest(v_edges) e), E'\n');
end
$$;
ALTER FUNCTION df.draw_mermaid(p_graph text, p_marks jsonb) OWNER TO df_owner;
CREATE FUNCTION df.draw_tree(p_graph text, p_marks jsonb DEFAULT NULL::jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_row record;
  v_types text[];
  v_first text[];
  v_rest text[];
  v_last text[];
  v_flat boolean[];
  v_lines text[] := '{}';
  v_above int;
  v_here int;
  v_is_last boolean;
begin
  for v_row in select * from df.node_tree(p_graph) t order by t.ordinal loop
    v_here := v_row.depth + 1;
    v_above := v_row.depth;
    v_types[v_here] := v_row.node_type;
    v_last[v_here] := coalesce(v_row.extra_paths[cardinality(v_row.extra_paths)],
      case v_row.node_type when 'LOOP' then v_row.condition_path end,
      v_row.right_path, v_row.left_path);
    v_flat[v_here] := v_row.node_type = 'THEN' and v_row.result_name is null
      and v_row.retry is null and v_row.node_timeout_seconds is null;
    v_is_last := v_above > 0 and v_last[v_above] = v_row.path;
    if v_above = 0 then
      v_first[v_here] := '';
      v_rest[v_here] := '';
    elsif v_flat[v_above] then
      v_first[v_here] := case when v_is_last then v_rest[v_above] || '→ ' else v_first[v_above] end;
      v_rest[v_here] := v_rest[v_above] || case when v_is_last then '  ' else '' end;
    else
      v_first[v_here] := v_rest[v_above] || case when v_is_last then '└─ ' else '├─ ' end
        || case when v_types[v_above] <> 'THEN' then
             df.child_role(v_types[v_above], substr(v_row.path, length(v_row.parent) + 2)) || ': '
           when v_is_last then '→ ' else '' end;
      v_rest[v_here] := v_rest[v_above] || case when v_is_last then '   ' else '│  ' end;
    end if;
    if not v_flat[v_here] then
      v_lines[cardinality(v_lines) + 1] := v_first[v_here]
        || coalesce((p_marks ->> v_row.path) || ' ', '')
        || df.node_label(v_row.node_type, v_row.query, v_row.result_name, v_row.retry,
             v_row.node_timeout_seconds);
    end if;
  end loop;
  return array_to_string(v_lines, E'\n');
end
$$;
ALTER FUNCTION df.draw_tree(p_graph text, p_marks jsonb) OWNER TO df_owner;
CREATE FUNCTION df.drop_login(p_role oid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_login name := df.step_login_name(p_role);
begin
    perform df.forget_login(p_role);
    if exists (select from pg_roles r where r.rolname = v_login) then
        execute format('drop role %I', v_login);
    end if;
exception when insufficient_privilege or dependent_objects_still_exist then
    raise warning 'the step login % could not be dropped: %', v_login, sqlerrm
        using hint = format('An administrator runs: DROP OWNED BY %I; DROP ROLE %I;', v_login, v_login);
end
$$;
ALTER FUNCTION df.drop_login(p_role oid) OWNER TO df_owner;
CREATE FUNCTION df.drop_stray_logins() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_prefix text := df.step_login_name(0)::text;
    v_stray  record;
begin
    v_prefix := left(v_prefix, length(v_prefix) - 1);
    for v_stray in
        select l.rolname, substr(l.rolname, length(v_prefix) + 1)::bigint::oid as role_oid from pg_roles l
         where starts_with(l.rolname::text, v_prefix)
           and substr(l.rolname, length(v_prefix) + 1) ~ '^[0-9]{1,9}$'
           and not exists (select from pg_roles r
                            where r.oid = substr(l.rolname, length(v_prefix) + 1)::bigint::oid) loop
        begin
            execute format('drop role %I', v_stray.rolname);
            perform df.forget_login(v_stray.role_oid);
        exception when insufficient_privilege or dependent_objects_still_exist or undefined_object then
            null;
        end;
    end loop;
end
$_$;
ALTER FUNCTION df.drop_stray_logins() OWNER TO df_owner;
CREATE FUNCTION df.end_instance(p_instance text, p_status text, p_result json, p_error text, p_sqlstate text, p_path text) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    v_now timestamptz := clock_timestamp();
begin
    update df.instances i
       set status = p_status,
           result = case when p_status = 'completed' then p_result end,
           error = case when p_status = 'failed' then p_error end,
           error_sqlstate = case when p_status = 'failed' then p_sqlstate end,
           error_path = case when p_status = 'failed' then p_path end,
           completed_at = case when p_status = 'completed' then v_now end,
           ended_at = v_now, updated_at = v_now, owner = null,
           ending_xid = pg_current_xact_id()
     where i.id = p_instance and i.ended_at is null;
end
$$;
ALTER FUNCTION df.end_instance(p_instance text, p_status text, p_result json, p_error text, p_sqlstate text, p_path text) OWNER TO df_owner;
CREATE FUNCTION df.end_intents(p_instance text, p_ended_at timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
begin
    update df.node_runs r
       set status = 'failed', ended_at = greatest(p_ended_at, r.created_at), sqlstate = '57014',
           error = 'cancelled while it ran: what came of it is not known'
     where r.instance_id = p_instance and r.status = 'intent'
       and not exists (
           select from df.node_runs d
            where d.instance_id = p_instance and d.status = 'decided'
              and case when d.run_path like '%.timeout'
                       then d.turn = 1 and starts_with(r.run_path || '.', regexp_replace(d.run_path, 'timeout$', ''))
                       else starts_with(r.run_path, d.run_path || case d.turn when 0 then '.right' else '.left' end)
                            and exists (select from df.instances i join df.graphs g on g.id = i.graph_id,
                                               df.node_tree(g.graph) t
                                         where i.id = p_instance and t.node_type = 'RACE'
                                           and t.path = df.static_path(d.run_path)) end);
end
$_$;
ALTER FUNCTION df.end_intents(p_instance text, p_ended_at timestamp with time zone) OWNER TO df_owner;
CREATE FUNCTION df.end_wait(p_instance text, p_path text, p_result json) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    update df.node_runs r set status = 'completed', result = p_result, ended_at = clock_timestamp()
     where r.instance_id = p_instance and r.run_path = p_path and r.status = 'waiting';
end
$$;
ALTER FUNCTION df.end_wait(p_instance text, p_path text, p_result json) OWNER TO df_owner;
CREATE FUNCTION df.evaluate_expression(p_input text, p_search_path text, OUT graph text, OUT fault text) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  c_evaluated constant text := 'DF000';
  -- A semicolon at the end, with a comment behind it or without. One inside of quotes has the closing one behind it.
  c_end constant text := E';(\\s|;|--[^\\n''"$]*(\\n|$))*$';
  v_statement text := format(E'select (select (\n%s\n)::text)', regexp_replace(p_input, c_end, ''));
  v_cursor refcursor;
begin
  begin
    perform set_config('transaction_read_only', 'on', true),
      set_config('search_path', p_search_path, true);
    open v_cursor no scroll for execute v_statement;
    fetch v_cursor into graph;
    raise exception using errcode = c_evaluated;
  exception
    when sqlstate 'DF000' then
      fault := case when graph is null then 'the expression gives NULL' end;
    when others then
      fault := sqlerrm;
  end;
end
$_$;
ALTER FUNCTION df.evaluate_expression(p_input text, p_search_path text, OUT graph text, OUT fault text) OWNER TO df_owner;
CREATE FUNCTION df.explain(input text, format text DEFAULT 'tree'::text) RETURNS text
    LANGUAGE sql
    AS $$
  select df.explain_input(input, format, pg_catalog.current_setting('search_path'))
$$;
ALTER FUNCTION df.explain(input text, format text) OWNER TO df_owner;
CREATE FUNCTION df.explain_input(p_input text, p_format text, p_search_path text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  v_input text := p_input;
  v_value record;
  v_drawing text;
begin
  if p_input ~ E'^[^:\\s]{8}$' and to_regprocedure('df.explain_instance(text,text)') is not null then
    v_drawing := df.explain_instance(p_input, p_format);
    if v_drawing is not null then
      return v_drawing;
    elsif p_input ~ '^[0-9A-Za-z]*$'
          and not exists (select from pg_get_keywords() k where k.word = lower(p_input collate "C")) then
      -- No statement is one such word: somebody mistyped an id.
      return format('Instance not found or access denied: %s', p_input);
    end if;
  end if;
  if p_input !~ E'^\\s*\\{' and df.looks_like_expression(p_input) then
    select e.graph, e.fault into v_value from df.evaluate_expression(p_input, p_search_path) e;
    if v_value.fault is not null then
      return format('Invalid durable function graph: root: %s', v_value.fault);
    end if;
    v_input := v_value.graph;
  end if;
  begin
    v_input := df.check_graph(v_input);
  exception when invalid_parameter_value then
    return sqlerrm;
  end;
  return df.draw_graph(v_input, null, p_format);
end
$_$;
ALTER FUNCTION df.explain_input(p_input text, p_format text, p_search_path text) OWNER TO df_owner;
CREATE FUNCTION df.explain_instance(p_instance text, p_format text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_inst   record;
    v_marks  jsonb;
    v_header text;
begin
    select i.id, i.label, i.status, i.error, i.paused_at, g.graph into v_inst
      from df.instances i join df.graphs g on g.id = i.graph_id and g.owner = i.submitted_by
     where i.id = p_instance;
    if not found then
        return null;
    end if;
    select jsonb_object_agg(s.path, case s.inferred_status when 'completed' then '✓' when 'failed' then '✗'
               when 'running' then '⏳' when 'pending' then '○' else '⊘' end)
      into v_marks from df.node_states_of(p_instance, false) s;
    v_header := 'Instance ' || v_inst.id || coalesce(' (' || v_inst.label || ')', '') || ': '
        || initcap(v_inst.status) || case when v_inst.paused_at is not null then ', paused' else '' end;
    if p_format = 'mermaid' then
        return E'---\ntitle: ' || to_json(v_header)::text || E'\n---\n'
            || df.draw_graph(v_inst.graph, v_marks, p_format);
    end if;
    return v_header || E'\n' || case when v_inst.status in ('failed', 'cancelled')
                                     then coalesce('Error: ' || v_inst.error || E'\n', '') else '' end
        || df.draw_graph(v_inst.graph, v_marks, p_format);
end
$$;
ALTER FUNCTION df.explain_instance(p_instance text, p_format text) OWNER TO df_owner;
CREATE FUNCTION df.fail_roleless(p_limit integer) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_role   oid;
    v_id     text;
    v_failed bigint := 0;
begin
    -- From role to role in the index of what lives or went wrong, which is small beside what has ended well.
    for v_role in
        with recursive roles as (
            (select i.submitted_by::oid as role from df.instances i
              where i.status <> 'completed' order by i.submitted_by limit 1)
            union all
            select (select i.submitted_by::oid from df.instances i
                     where i.status <> 'completed' and i.submitted_by > r.role
                      order by i.submitted_by limit 1)
              from roles r where r.role is not null)
        select r.role from roles r
         where r.role is not null and not exists (select from pg_roles p where p.oid = r.role)
    loop
        for v_id in
            select i.id from df.instances i
             where i.submitted_by = v_role and i.status in ('pending', 'running') and i.owner is null
             limit p_limit - v_failed for no key update skip locked
        loop
            perform df.end_instance(v_id, 'failed', null,
                format('its role, with OID %s, was dropped', v_role), '42704', 'root');
            update df.outbox o set delivered_at = clock_timestamp()
             where o.event_id = v_id || '/start' and o.delivered_at is null;
            v_failed := v_failed + 1;
        end loop;
    end loop;
    return v_failed;
end
$$;
ALTER FUNCTION df.fail_roleless(p_limit integer) OWNER TO df_owner;
CREATE FUNCTION df.fence(p_instance text, p_epoch bigint, p_incarnation uuid, p_exclusive boolean, p_skip_locked boolean, p_login name DEFAULT NULL::name) RETURNS text
    LANGUAGE plpgsql
    AS $$
declare
    v_inst record;
begin
    -- The lock mode is chosen once: upgrading it later would deadlock two branches.
    if p_skip_locked then
        select i.epoch, i.owner, i.ended_at, i.ending_xid, i.status, i.submitted_by,
               i.paused_at into v_inst
          from df.instances i where i.id = p_instance for no key update skip locked;
        if not found then
            if exists (select from df.instances i where i.id = p_instance) then
                return 'busy';
            end if;
        end if;
    elsif p_exclusive then
        select i.epoch, i.owner, i.ended_at, i.ending_xid, i.status, i.submitted_by,
               i.paused_at into v_inst
          from df.instances i where i.id = p_instance for no key update;
    else
        select i.epoch, i.owner, i.ended_at, i.ending_xid, i.status, i.submitted_by,
               i.paused_at into v_inst
          from df.instances i where i.id = p_instance for share;
    end if;
    -- One expression, since each that a transaction evaluates first costs as much as reading a row.
    return case
        when df.may_write(v_inst.epoch, v_inst.owner, v_inst.ended_at, v_inst.paused_at,
                          v_inst.submitted_by, p_epoch, p_incarnation, p_login) then 'ok'
        -- What a relay holds from before a restart or a failover may be ahead of this server: df.relay_name
        -- knows nobody of then. No incarnation is nobody's, though nobody's instance has no owner either.
        when not found or p_incarnation is null
            or p_login <> df.step_login_name(v_inst.submitted_by)
            or v_inst.epoch is distinct from p_epoch
            or v_inst.owner is distinct from df.relay_name(p_incarnation) then 'DF001'
        when v_inst.ended_at is null then 'DF007'
        when v_inst.status = 'cancelled' and v_inst.ending_xid = pg_current_xact_id() then 'own-cancel'
        else 'DF002' end;
end
$$;
ALTER FUNCTION df.fence(p_instance text, p_epoch bigint, p_incarnation uuid, p_exclusive boolean, p_skip_locked boolean, p_login name) OWNER TO df_owner;
CREATE FUNCTION df.forget_login(p_role oid) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    with gone as (delete from df.usage_granted u where u.role_oid = p_role
                      and not exists (select from df.grants_of(p_role)))
    delete from df.granted_roles g
     where g.role_oid = p_role and not exists (select from df.grants_of(p_role))
$$;
ALTER FUNCTION df.forget_login(p_role oid) OWNER TO df_owner;
CREATE FUNCTION df.getvar(name text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select v.value from df.vars v
     where v.name = getvar.name and v.owner = quote_ident(current_user)::regrole
$$;
ALTER FUNCTION df.getvar(name text) OWNER TO df_owner;
CREATE FUNCTION df.grant_usage(p_role text, include_http boolean DEFAULT false, with_grant boolean DEFAULT false) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_oid oid := df.role_named(p_role);
begin
    perform df.record_grant(v_oid, coalesce(include_http, false), coalesce(with_grant, false));
    perform df.make_login(p_role, v_oid);
    return 'OK';
end
$$;
ALTER FUNCTION df.grant_usage(p_role text, include_http boolean, with_grant boolean) OWNER TO df_owner;
CREATE FUNCTION df.granter(p_role oid) RETURNS oid
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ select case when df.acts_as_owner(p_role) then 'df_owner'::regrole::oid else p_role end $$;
ALTER FUNCTION df.granter(p_role oid) OWNER TO df_owner;
CREATE FUNCTION df.grants_of(p_role oid) RETURNS TABLE(object text, privilege text, grantor oid, grantable boolean)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select g.object, g.privilege, g.grantor, g.is_grantable from (
        select 'schema df' as object, a.privilege_type as privilege, a.grantee, a.grantor, a.is_grantable
          from pg_namespace n, aclexplode(n.nspacl) a where n.nspname = 'df'
        union all
        select format('%s df.%I', case c.relkind when 'S' then 'sequence' else 'table' end, c.relname),
               a.privilege_type, a.grantee, a.grantor, a.is_grantable
          from pg_class c, aclexplode(c.relacl) a where c.relnamespace = 'df'::regnamespace
        union all
        select format('table df.%I', c.relname), format('%s (%I)', a.privilege_type, t.attname),
               a.grantee, a.grantor, a.is_grantable
          from pg_class c join pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a
         where c.relnamespace = 'df'::regnamespace
        union all
        select format('routine %s', p.oid::regprocedure), a.privilege_type, a.grantee, a.grantor, a.is_grantable
          from pg_proc p, aclexplode(p.proacl) a where p.pronamespace = 'df'::regnamespace) as g
     where g.grantee = p_role
$$;
ALTER FUNCTION df.grants_of(p_role oid) OWNER TO df_owner;
CREATE FUNCTION df.hand_inbox(p_instance text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_pending text[] := df.pending_signals(p_instance);  -- Apart, or each signal would look at every wait.
    v_key     text;
begin
    for v_key in
        select f.key
          from (select distinct on (s.name) s.key, s.n from df.signals s
                 where s.instance_id = p_instance and s.consumed_at is null and s.name = any (v_pending)
                 order by s.name, s.n) f
         order by f.n
    loop
        perform df.hand_signal(p_instance, v_key);
    end loop;
end
$$;
ALTER FUNCTION df.hand_inbox(p_instance text) OWNER TO df_owner;
CREATE FUNCTION df.hand_signal(p_instance text, p_key text) RETURNS text[]
    LANGUAGE plpgsql
    AS $$
declare
    v_signal record;
    v_wait   record;
    v_result json;
    v_woken  text[] := '{}';
    v_bytes  bigint := 0;
begin
    select s.name, s.data into v_signal from df.signals s
     where s.instance_id = p_instance and s.key = p_key and s.consumed_at is null;
    if not found then
        return v_woken;
    end if;
    v_result := df.signal_result(v_signal.name, v_signal.data);
    for v_wait in
        select r.run_path, r.epoch, d.within, d.turns, d.decides, d.ends
          from df.node_runs r,
               json_to_record(r.detail) as d(within text[], turns integer[], decides text[], ends text)
         where r.instance_id = p_instance and r.status = 'waiting' and r.signal_name = v_signal.name
         order by r.run_path
    loop
        continue when v_wait.within <> '{}' and df.decided_against(p_instance, v_wait.within, v_wait.turns);
        v_bytes := v_bytes + octet_length(v_result::text);
        if v_bytes > 67108864 then
            raise exception 'signal % of % bytes would be kept by more waits than fit 64 MB',
                v_signal.name, octet_length(v_result::text) using errcode = '54000';
        end if;
        perform df.end_wait(p_instance, v_wait.run_path, v_result);
        if v_wait.decides <> '{}' then
            perform df.decide(p_instance, v_wait.epoch, v_wait.within, v_wait.turns, v_wait.decides);
        end if;
        if v_wait.ends is not null
           and exists (select from df.instances i where i.id = p_instance and i.paused_at is null) then
            perform df.end_instance(p_instance, v_wait.ends, v_result, null, null, v_wait.run_path);
        end if;
        v_woken := v_woken || v_wait.run_path;
    end loop;
    if v_woken <> '{}' then
        update df.signals s set consumed_at = clock_timestamp(), consumed_by = v_woken[1]
         where s.instance_id = p_instance and s.key = p_key;
    end if;
    return v_woken;
end
$$;
ALTER FUNCTION df.hand_signal(p_instance text, p_key text) OWNER TO df_owner;
CREATE FUNCTION df.headers_fault(p_headers jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  v_name text;
begin
  if p_headers is null or p_headers = 'null' then
    return null;
  elsif jsonb_typeof(p_headers) <> 'object' then
    return 'headers must be a JSON object';
  end if;
  select h.key into v_name from jsonb_each(p_headers) h
  where jsonb_typeof(h.value) not in ('string', 'number', 'boolean', 'null')
     or h.key !~ E'^[^\\s:[:cntrl:]]+$'
     or h.value #>> '{}' ~ E'[\\r\\n]'
  order by h.key limit 1;
  if found then
    return format('header %L must be a name without blanks and a one-line value', v_name);
  end if;
  return null;
end
$_$;
ALTER FUNCTION df.headers_fault(p_headers jsonb) OWNER TO df_owner;
CREATE FUNCTION df.hmac_sha256(p_key bytea, p_message bytea) RETURNS bytea
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_key  bytea := case when octet_length(p_key) > 64 then sha256(p_key) else p_key end;
    v_ipad bytea := decode(repeat('36', 64), 'hex');
    v_opad bytea := decode(repeat('5c', 64), 'hex');
begin
    for i in 0..octet_length(v_key) - 1 loop
        v_ipad := set_byte(v_ipad, i, get_byte(v_key, i) # 54);
        v_opad := set_byte(v_opad, i, get_byte(v_key, i) # 92);
    end loop;
    return sha256(v_opad || sha256(v_ipad || p_message));
end
$$;
ALTER FUNCTION df.hmac_sha256(p_key bytea, p_message bytea) OWNER TO df_owner;
CREATE FUNCTION df.http(url text, method text DEFAULT 'POST'::text, body text DEFAULT NULL::text, headers jsonb DEFAULT '{}'::jsonb, timeout_seconds integer DEFAULT 30) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_leaf record;
begin
  select c.config, c.fault into v_leaf from df.http_config('HTTP', jsonb_build_object(
    'url', url, 'method', method, 'body', body, 'headers', headers,
    'timeout_seconds', timeout_seconds)) c;
  perform df.refuse('df.http', v_leaf.fault);
  return '{"node_type":"HTTP","query":' || to_json(v_leaf.config)::text || '}';
end
$$;
ALTER FUNCTION df.http(url text, method text, body text, headers jsonb, timeout_seconds integer) OWNER TO df_owner;
CREATE FUNCTION df.http_config(p_node_type text, p_config jsonb, OUT config text, OUT fault text) RETURNS record
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  c_most_seconds constant bigint := 2147483647;
  v_url text := p_config ->> 'url';
  v_method text := upper(coalesce(p_config ->> 'method', 'POST'));
  v_headers jsonb := jsonb_strip_nulls(coalesce(nullif(p_config -> 'headers', 'null'), '{}'));
  v_timeout jsonb := coalesce(p_config -> 'timeout_seconds', '30');
  v_body jsonb := coalesce(p_config -> 'body', 'null');
  v_parts jsonb := p_config -> 'parts';
  v_methods text[] := case p_node_type
    when 'HTTP' then array['GET', 'POST', 'PUT', 'DELETE', 'PATCH']
    else array['POST', 'PUT', 'PATCH'] end;
begin
  if jsonb_typeof(p_config -> 'url') is distinct from 'string' or v_url !~ E'\\S' then
    fault := 'url must be text that is not empty';
  elsif v_url !~* E'^\\s*https?://' and v_url !~ '[${][A-Za-z_]' then
    fault := format('unsupported URL scheme in %L: only http:// and https://', left(v_url, 100));
  elsif v_method <> all (v_methods) then
    fault := format('unsupported HTTP method %L: one of %s', left(v_method, 40),
      array_to_string(v_methods, ', '));
  elsif p_node_type = 'HTTP' and jsonb_typeof(v_body) not in ('string', 'null') then
    fault := 'body must be text';
  elsif p_node_type = 'HTTP_MULTIPART'
      and (jsonb_typeof(v_parts) is distinct from 'array' or v_parts = '[]') then
    fault := 'parts must be a JSON array with at least one part';
  else
    fault := coalesce(df.seconds_fault('timeout_seconds', v_timeout, c_most_seconds),
      df.headers_fault(v_headers));
    if fault is null and p_node_type = 'HTTP_MULTIPART' then
      select df.part_fault(p.part) into fault
      from jsonb_array_elements(v_parts) with ordinality as p(part, position)
      where df.part_fault(p.part) is not null
      order by p.position limit 1;
    end if;
    config := '{"url":' || to_json(v_url)::text || ',"method":"' || v_method || '"'
      || case p_node_type
         when 'HTTP' then ',"body":' || coalesce(to_json(v_body #>> '{}')::text, 'null')
         else ',"parts":' || v_parts::text end
      || ',"headers":' || v_headers::text || ',"timeout_seconds":' || v_timeout::text || '}';
  end if;
end
$_$;
ALTER FUNCTION df.http_config(p_node_type text, p_config jsonb, OUT config text, OUT fault text) OWNER TO df_owner;
CREATE FUNCTION df.http_multipart(url text, method text DEFAULT 'POST'::text, parts jsonb DEFAULT NULL::jsonb, headers jsonb DEFAULT '{}'::jsonb, timeout_seconds integer DEFAULT 30) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_leaf record;
begin
  select c.config, c.fault into v_leaf from df.http_config('HTTP_MULTIPART', jsonb_build_object(
    'url', url, 'method', method, 'parts', parts, 'headers', headers,
    'timeout_seconds', timeout_seconds)) c;
  perform df.refuse('df.http_multipart', v_leaf.fault);
  return '{"node_type":"HTTP_MULTIPART","query":' || to_json(v_leaf.config)::text || '}';
end
$$;
ALTER FUNCTION df.http_multipart(url text, method text, parts jsonb, headers jsonb, timeout_seconds integer) OWNER TO df_owner;
CREATE FUNCTION df.if(condition text, then_branch text, else_branch text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return '{"node_type":"IF","condition_node":' || df.node_of(condition, 'df.if condition')
    || ',"left_node":' || df.node_of(then_branch, 'df.if then_branch')
    || ',"right_node":' || df.node_of(else_branch, 'df.if else_branch') || '}';
end
$$;
ALTER FUNCTION df.if(condition text, then_branch text, else_branch text) OWNER TO df_owner;
CREATE FUNCTION df.if_else(half text, else_branch text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  c_opening constant text := '{"incomplete_if":{';
begin
  if half ^@ c_opening and right(half, 2) = '}}' then
    return '{"node_type":"IF",' || left(substr(half, length(c_opening) + 1), -2)
      || ',"right_node":' || df.node_of(else_branch, '!> else branch') || '}';
  end if;
  perform df.refuse('!>', 'its left side must be condition ?> then; put parentheses around a'
    ' branch that is itself an expression');
end
$$;
ALTER FUNCTION df.if_else(half text, else_branch text) OWNER TO df_owner;
CREATE FUNCTION df.if_rows(result_name text, then_branch text, else_branch text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform df.refuse('df.if_rows', df.name_fault(result_name));
  return '{"node_type":"IF","query":' || to_json(
      '{"condition_type":"result_has_rows","result_name":"' || result_name || '"}')::text
    || ',"left_node":' || df.node_of(then_branch, 'df.if_rows then_branch')
    || ',"right_node":' || df.node_of(else_branch, 'df.if_rows else_branch') || '}';
end
$$;
ALTER FUNCTION df.if_rows(result_name text, then_branch text, else_branch text) OWNER TO df_owner;
CREATE FUNCTION df.if_then(condition text, then_branch text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return '{"incomplete_if":{"condition_node":' || df.node_of(condition, '?> condition')
    || ',"left_node":' || df.node_of(then_branch, '?> then branch') || '}}';
end
$$;
ALTER FUNCTION df.if_then(condition text, then_branch text) OWNER TO df_owner;
CREATE FUNCTION df.insert_signal(p_instance text, p_key text, p_name text, p_data text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_data  json;
    v_there record;
begin
    if p_name is null or p_name = '' or octet_length(p_name) > 1024 then
        raise exception 'a signal needs a name of 1 to 1024 bytes' using errcode = '22023';
    end if;
    if octet_length(p_data) > df.setting('max_signal_bytes')::bigint then
        raise exception 'the signal has % bytes, more than the max_signal_bytes setting of %',
            octet_length(p_data), df.setting('max_signal_bytes')
            using errcode = '54000',
                  hint = 'Send a reference to it, or an administrator raises max_signal_bytes with df.configure.';
    end if;
    -- A failed one may be retried, and then its waits wait on.
    if df.visible_status(p_instance) in ('completed', 'cancelled') then
        return 'OK';
    end if;
    v_data := df.text_as_json(p_data);
    insert into df.signals (instance_id, key, name, data)
    values (p_instance, p_key, p_name, v_data)
    on conflict (instance_id, key) do nothing;
    if not found then
        select s.name, s.data::text as data into v_there
          from df.signals s where s.instance_id = p_instance and s.key = p_key;
        if (v_there.name, v_there.data) is distinct from (p_name, v_data::text) then
            raise exception 'signal % of instance % was already sent with another name or payload',
                quote_literal(substr(p_key, 3)), p_instance using errcode = 'DF005';
        end if;
        return 'OK';
    end if;
    insert into df.outbox (instance_id, kind, key) values (p_instance, 'signal', p_key)
    on conflict (event_id) do nothing;
    return 'OK';
end
$$;
ALTER FUNCTION df.insert_signal(p_instance text, p_key text, p_name text, p_data text) OWNER TO df_owner;
CREATE FUNCTION df.inside_workflow() RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$ select session_user ~ '^df_step_[0-9]+_[0-9]+$' $_$;
ALTER FUNCTION df.inside_workflow() OWNER TO df_owner;
CREATE FUNCTION df.instance_executions(instance_id text, limit_count integer DEFAULT 5) RETURNS TABLE(execution_id bigint, status text, event_count bigint, duration_ms bigint, output text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_limit integer := df.checked_limit(limit_count);
    v_inst  df.instances%rowtype;
begin
    select * into v_inst from df.instances i where i.id = instance_executions.instance_id;
    if not found or (v_inst.epoch = 0 and v_inst.ended_at is null) then
        return;
    end if;
    return query
        select v_inst.executions, v_inst.status::text,
               (select count(*) from df.node_runs r where r.instance_id = v_inst.id)
               + (select count(*) from df.outbox o
                  where o.event_id > v_inst.id || '/' and o.event_id < v_inst.id || '0'),
               (extract(epoch from coalesce(v_inst.ended_at, clock_timestamp()) - v_inst.created_at) * 1000)::bigint,
               coalesce(v_inst.result::text, v_inst.error);
    return query
        select e.id, 'continued_as_new', null::bigint, null::bigint, null::text
          from generate_series(v_inst.executions - 1, greatest(v_inst.executions - v_limit + 1, 1), -1) as e(id);
end
$$;
ALTER FUNCTION df.instance_executions(instance_id text, limit_count integer) OWNER TO df_owner;
CREATE FUNCTION df.instance_info(instance_id text) RETURNS TABLE(instance_id text, label text, function_name text, function_version text, current_execution_id bigint, status text, output text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
    select i.id, i.label, 'df.workflow', df.version(), i.executions, i.status,
           coalesce(i.result::text, i.error)
      from df.instances i where i.id = $1
$_$;
ALTER FUNCTION df.instance_info(instance_id text) OWNER TO df_owner;
CREATE FUNCTION df.instance_nodes(instance_id text) RETURNS TABLE(node_id text, node_type text, query text, result_name text, left_node text, right_node text, status text, result text, status_details text, inferred_status text, inferred_status_from_ancestor_id text, updated_at timestamp with time zone)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select s.id, s.node_type, s.query, s.result_name, s.left_node, s.right_node, s.status,
           coalesce(s.error, s.result::text),
           df.status_details(s.status, s.path, s.run_path, s.attempt, s.run_status, s.iteration,
                             s.due_at, s.signal_name, s.sqlstate)::text,
           s.inferred_status, s.inferred_status_from_ancestor_id, s.updated_at
      from df.node_states(instance_nodes.instance_id) s
$$;
ALTER FUNCTION df.instance_nodes(instance_id text) OWNER TO df_owner;
CREATE FUNCTION df.internal_functions() RETURNS SETOF text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select unnest(array['fence', 'may_write', 'decide', 'decided_against', 'end_instance',
        'checkpoint', 'prepare_record', 'record_run', 'record_wait', 'record_settle',
        'record_retry', 'record_timer', 'end_wait', 'hand_signal', 'woken_since', 'pending_signals', 'postpone_event', 'raise_refusal', 'apply_cancel', 'apply_event', 'name_event', 'queue_event',
        'undo_failure', 'hand_inbox', 'end_intents', 'wake_relays', 'configure', 'write_setting', 'reconcile', 'scram_verifier',
        'hmac_sha256', 'server_run', 'is_of_this_server_run', 'remove_unset_var',
        'refuse_bad_graph', 'admit_instance', 'admitted_vars', 'ask_at_starts', 'calling_role', 'refuse_view_write', 'waiting_roles',
        'claimable', 'bound_of', 'replay_signal', 'place', 'remove_expired', 'remove_orphans',
        'remove_taken_signals', 'fail_roleless', 'wake_overdue', 'remove_graphs', 'regrant', 'take_back',
        'check_granter', 'check_grantee', 'granter'])
$$;
ALTER FUNCTION df.internal_functions() OWNER TO df_owner;
CREATE FUNCTION df.is_admin(p_role oid) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select coalesce((select r.rolsuper or pg_has_role(r.oid, 'df_admin', 'member') or pg_has_role(r.oid, 'df_owner', 'usage')
                       from pg_roles r where r.oid = p_role), false)
$$;
ALTER FUNCTION df.is_admin(p_role oid) OWNER TO df_owner;
CREATE FUNCTION df.is_of_this_server_run(p_incarnation uuid) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    select coalesce(pg_catalog.right(p_incarnation::pg_catalog.text, 12) operator(pg_catalog.=) df.server_run(),
                    false)
$$;
ALTER FUNCTION df.is_of_this_server_run(p_incarnation uuid) OWNER TO df_owner;
CREATE FUNCTION df.is_uncommitted(p_xmin xid) RETURNS boolean
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    -- The 64-bit id that is nearest to the snapshot's end and has these 32 bits.
    select pg_xact_status((v_end + (p_xmin::text::bigint - v_end + 2147483648 & 4294967295)
                           - 2147483648)::text::xid8) = 'in progress'
      from (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint) as snapshot(v_end)
$$;
ALTER FUNCTION df.is_uncommitted(p_xmin xid) OWNER TO df_owner;
CREATE FUNCTION df."join"(VARIADIC branches text[]) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_nodes text[];
begin
  if branches is null or cardinality(branches) < 2 then
    perform df.refuse('df.join', 'a JOIN needs at least two branches');
  end if;
  v_nodes := array(
    select df.node_of(b.branch, 'df.join')
    from unnest(branches) with ordinality as b(branch, position)
    order by b.position);
  return '{"node_type":"JOIN","left_node":' || v_nodes[1] || ',"right_node":' || v_nodes[2]
    || case when cardinality(v_nodes) = 2 then '}'
       else ',"extra_nodes":[' || array_to_string(v_nodes[3:], ',') || ']}' end;
end
$$;
ALTER FUNCTION df."join"(VARIADIC branches text[]) OWNER TO df_owner;
CREATE FUNCTION df."join"(a text, b text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return '{"node_type":"JOIN","left_node":'
    || case when a ^@ '{"node_type":"' then a else df.node_of(a, 'df.join') end
    || ',"right_node":'
    || case when b ^@ '{"node_type":"' then b else df.node_of(b, 'df.join') end
    || '}';
end
$$;
ALTER FUNCTION df."join"(a text, b text) OWNER TO df_owner;
CREATE FUNCTION df.join3(a text, b text, c text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return '{"node_type":"JOIN","left_node":' || df.node_of(a, 'df.join3')
    || ',"right_node":' || df.node_of(b, 'df.join3')
    || ',"extra_nodes":[' || df.node_of(c, 'df.join3') || ']}';
end
$$;
ALTER FUNCTION df.join3(a text, b text, c text) OWNER TO df_owner;
CREATE FUNCTION df.json_value_truth(p_raw text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  c_zero constant text := E'^[+-]?(0+\\.?0*|\\.0+)([eE][+-]?[0-9]+)?$';
  v_text text := btrim(p_raw, E' \t\r\n');
begin
  case left(v_text, 1)
    when 'n' then return false;
    when 't' then return true;
    when 'f' then return false;
    when '[' then return v_text !~ E'^\\[\\s*\\]$';
    when '{' then return v_text !~ E'^\\{\\s*\\}$';
    when '"' then
      v_text := btrim(v_text::json #>> '{}', E' \t\n\r\x0b\x0c');
      return not (v_text = '' or lower(v_text) in ('f', 'false', 'no') or v_text ~ c_zero);
    else return v_text !~ c_zero;
  end case;
end
$_$;
ALTER FUNCTION df.json_value_truth(p_raw text) OWNER TO df_owner;
CREATE FUNCTION df.key_fits(p_kind text, p_key text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if (p_key is null) <> (p_kind in ('start', 'cancel')) then
        raise exception 'an event of kind % %', p_kind,
            case when p_key is null then 'needs a key' else 'takes no key' end using errcode = '23514';
    end if;
    return true;
end
$$;
ALTER FUNCTION df.key_fits(p_kind text, p_key text) OWNER TO df_owner;
CREATE FUNCTION df.leaf_query(p_node_type text, p_query text, OUT query text, OUT fault text) RETURNS record
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_config jsonb;
begin
  if p_node_type = 'SQL' then
    query := p_query;
    fault := case when p_query !~ E'\\S' then 'query in SQL must not be empty' end;
  elsif p_node_type = 'SLEEP' then
    select s.query, s.fault into query, fault from df.sleep_query(p_query) s;
  else
    v_config := p_query::jsonb;
    if jsonb_typeof(v_config) <> 'object' then
      fault := format('query in %s must be valid JSON config', p_node_type);
    elsif p_node_type in ('HTTP', 'HTTP_MULTIPART') then
      select c.config, c.fault into query, fault from df.http_config(p_node_type, v_config) c;
    else
      select c.config, c.fault into query, fault from df.wait_config(p_node_type, v_config) c;
    end if;
  end if;
end
$$;
ALTER FUNCTION df.leaf_query(p_node_type text, p_query text, OUT query text, OUT fault text) OWNER TO df_owner;
CREATE FUNCTION df.likely_graph(p_fut text) RETURNS text
    LANGUAGE sql STABLE
    AS $$
    select case when p_fut operator(pg_catalog.~) E'^(?!(?:Instance|Invalid|flowchart|SLEEP|SIGNAL|HTTP|BREAK|THEN|JOIN|RACE|IF|LOOP)\\s)'
                    '[A-Za-z]+\\s+[^\\s.]'
                then '{"node_type":"SQL","query":' operator(pg_catalog.||) pg_catalog.to_json(p_fut)::pg_catalog.text
                     operator(pg_catalog.||) '}'
                else p_fut end
$$;
ALTER FUNCTION df.likely_graph(p_fut text) OWNER TO df_owner;
CREATE FUNCTION df.list_cursor(p_created_at timestamp with time zone, p_id text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select encode(convert_to((extract(epoch from p_created_at) * 1000000)::bigint || '/' || p_id, 'UTF8'), 'base64')
$$;
ALTER FUNCTION df.list_cursor(p_created_at timestamp with time zone, p_id text) OWNER TO df_owner;
CREATE FUNCTION df.list_instances(status_filter text DEFAULT NULL::text, limit_count integer DEFAULT 100) RETURNS TABLE(instance_id text, label text, function_name text, status text, execution_count bigint, output text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select l.instance_id, l.label, l.function_name, l.status, l.execution_count, l.output
      from df.list_instances(status_filter, limit_count, null, null) l
$$;
ALTER FUNCTION df.list_instances(status_filter text, limit_count integer) OWNER TO df_owner;
CREATE FUNCTION df.list_instances(status_filter text, limit_count integer, label_filter text, after_cursor text DEFAULT NULL::text) RETURNS TABLE(instance_id text, label text, function_name text, status text, execution_count bigint, output text, created_at timestamp with time zone, completed_at timestamp with time zone, next_cursor text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_limit integer := df.checked_limit(limit_count);
    v_after record;
begin
    select null::timestamptz as created_at, null::text as id into v_after;
    if after_cursor is not null then
        v_after := df.read_list_cursor(after_cursor);
    end if;
    return query
        with page as materialized (
            select p.*, row_number() over (order by p.created_at desc, p.id) as n
              from df.list_page(status_filter, v_limit, label_filter, v_after.created_at, v_after.id) p),
        next as (
            select df.list_cursor(p.created_at, p.id) as cursor from page p
             where p.n = v_limit and exists (select from page m where m.n > v_limit))
        select p.id, p.label, 'df.workflow', p.status, p.executions, p.output, p.created_at,
               p.completed_at, (select x.cursor from next x)
          from page p where p.n <= v_limit order by p.n;
end
$$;
ALTER FUNCTION df.list_instances(status_filter text, limit_count integer, label_filter text, after_cursor text) OWNER TO df_owner;
CREATE FUNCTION df.list_page(p_status text, p_limit integer, p_label text, p_after_at timestamp with time zone, p_after_id text) RETURNS TABLE(id text, label text, status text, executions bigint, output text, created_at timestamp with time zone, completed_at timestamp with time zone)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
declare
    v_submitters oid[] := df.visible_submitters();
begin
    return query
        select p.id, p.label::text, p.status::text, p.executions, coalesce(p.result::text, p.error),
               p.created_at, p.completed_at
          from unnest(v_submitters) as s(role), lateral (
            (select i.* from df.instances i
              where i.submitted_by = s.role and i.created_at = p_after_at and i.id > p_after_id
                and (p_status is null or i.status = p_status) and (p_label is null or i.label = p_label)
              order by i.id
              limit p_limit + 1)
            union all
            (select i.* from df.instances i
              where i.submitted_by = s.role and (p_after_at is null or i.created_at < p_after_at)
                and (p_status is null or i.status = p_status) and (p_label is null or i.label = p_label)
              order by i.created_at desc, i.id
              limit p_limit + 1)) as p
         order by p.created_at desc, p.id
         limit p_limit + 1;
end
$$;
ALTER FUNCTION df.list_page(p_status text, p_limit integer, p_label text, p_after_at timestamp with time zone, p_after_id text) OWNER TO df_owner;
CREATE FUNCTION df.login_password(p_role oid) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_caller   oid := df.calling_role();
    v_login    name := df.step_login_name(p_role);
    v_password text := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
begin
    if not exists (select from pg_roles r where r.oid = v_caller and (r.rolsuper
            or (r.rolcreaterole and case
                when not exists (select from pg_roles l where l.rolname = v_login) then true
                when current_setting('server_version_num')::integer < 160000 then true
                else pg_has_role(v_caller, v_login, 'member with admin option') end))) then
        raise exception 'the step login of this role is not the caller''s to change' using errcode = '42501';
    end if;
    insert into df.granted_roles (role_oid, login, password) values (p_role, v_login, v_password)
    on conflict (role_oid) do update set password = excluded.password, login = excluded.login;
    return df.scram_verifier(v_password);
end
$$;
ALTER FUNCTION df.login_password(p_role oid) OWNER TO df_owner;
CREATE FUNCTION df.looks_like_expression(p_input text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
  select q.start ~ E'^(''|@>|\\$\\$|\\$[a-z_]\\w*\\$|[eE]''|[uU]&''|cast\\s*\\()'
    or q.start ~ E'^("[^"]+"|[a-z_]\\w*)\\s*\\.'
    or (q.start ~ E'^[a-z_]\\w*\\s*\\('
      and q.start !~ E'^(select|values|with|insert|explain|analyze|vacuum|copy|reindex|cluster)\\y')
  from (select lower(regexp_replace(p_input,
    E'^(\\s|\\(|--[^\\n]*\\n|/\\*([^*]|\\*+[^*/])*\\*+/)+', '') collate "C")) as q(start)
$_$;
ALTER FUNCTION df.looks_like_expression(p_input text) OWNER TO df_owner;
CREATE FUNCTION df.loop(body text, condition text DEFAULT NULL::text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return '{"node_type":"LOOP"'
    || case when condition is null then ''
       else ',"condition_node":' || df.node_of(condition, 'df.loop condition') end
    || ',"left_node":' || df.node_of(body, 'df.loop body') || '}';
end
$$;
ALTER FUNCTION df.loop(body text, condition text) OWNER TO df_owner;
CREATE FUNCTION df.loop_forever(body text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return '{"node_type":"LOOP","left_node":' || df.node_of(body, '@>') || '}';
end
$$;
ALTER FUNCTION df.loop_forever(body text) OWNER TO df_owner;
CREATE FUNCTION df.make_login(p_role text, p_oid oid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_login    name := df.step_login_name(p_oid);
    v_verifier text;
    v_told     text := current_setting('client_min_messages');
begin
    if (select r.rolsuper from pg_roles r where r.oid = p_oid)
       and df.setting('allow_superuser_instances') <> 'true' then
        raise notice 'role % is a superuser and gets no step login while allow_superuser_instances is false',
            quote_ident(p_role);
        return;
    end if;
    perform df.drop_stray_logins();
    begin
        v_verifier := df.login_password(p_oid);
        execute format(case when exists (select from pg_roles r where r.rolname = v_login)
                            then 'alter role %I login noinherit password %L'
                            else 'create role %I login noinherit password %L' end, v_login, v_verifier);
        if not exists (select from pg_auth_members m join pg_roles r on r.oid = m.member
                        where m.roleid = p_oid and r.rolname = v_login) then
            execute format('grant %I to %I', p_role, v_login);
        end if;
        begin
            -- Its sessions begin as its role: behind a transaction pooler nothing else can say so to a
            -- statement that runs outside of a transaction. Whoever may not is told by the doctor. Untold: that the
            -- caller itself could not become that role, which it has no need to.
            perform set_config('client_min_messages', 'warning', true);
            execute format('alter role %I set role = %I', v_login, p_role);
            perform set_config('client_min_messages', v_told, true);
        exception when insufficient_privilege or invalid_parameter_value then
            null;
        end;
    exception when insufficient_privilege then
        raise warning 'making the step login of role % needs CREATEROLE, and ADMIN OPTION on the role',
            quote_ident(p_role)
            using hint = format('An administrator runs: SELECT df.grant_usage(%L);', p_role);
    end;
end
$$;
ALTER FUNCTION df.make_login(p_role text, p_oid oid) OWNER TO df_owner;
CREATE FUNCTION df.may_write(i_epoch bigint, i_owner uuid, i_ended_at timestamp with time zone, i_paused_at timestamp with time zone, i_submitted_by oid, p_epoch bigint, p_incarnation uuid, p_login name) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    select i_epoch operator(pg_catalog.=) p_epoch
       and coalesce(i_owner operator(pg_catalog.=) df.relay_name(p_incarnation), false)
       and i_ended_at is null
       and (p_login is null
            or (p_login operator(pg_catalog.=) df.step_login_name(i_submitted_by)
                and (i_paused_at is null or i_paused_at operator(pg_catalog.>=) pg_catalog.now())))
$$;
ALTER FUNCTION df.may_write(i_epoch bigint, i_owner uuid, i_ended_at timestamp with time zone, i_paused_at timestamp with time zone, i_submitted_by oid, p_epoch bigint, p_incarnation uuid, p_login name) OWNER TO df_owner;
CREATE FUNCTION df.mermaid_box(p_id text, p_node_type text, p_label text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select '  ' || p_id || case
    when p_node_type = 'IF' then '{' || q.label || '}'
    when p_node_type in ('JOIN', 'RACE', 'LOOP') then '[[' || q.label || ']]'
    when p_node_type in ('SLEEP', 'WAIT_SCHEDULE', 'SIGNAL') then '([' || q.label || '])'
    when p_node_type = 'end' then '((' || q.label || '))'
    else '[' || q.label || ']' end
  from (select '"' || replace(replace(replace(replace(p_label, '#', '#35;'), '"', '#quot;'),
    '<', '#lt;'), '>', '#gt;') || '"') as q(label)
$$;
ALTER FUNCTION df.mermaid_box(p_id text, p_node_type text, p_label text) OWNER TO df_owner;
CREATE FUNCTION df.mermaid_edges(p_type text, p_id text, p_condition text[], p_left text[], p_right text[]) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_end text := p_id || 'e';
begin
  return array_remove(case p_type
    when 'THEN' then array[p_left[2] || ' --> ' || p_right[1]]
    when 'IF' then array[p_condition[2] || ' --> ' || p_id,
      p_id || ' -->|true| ' || p_left[1], p_id || ' -->|false| ' || p_right[1],
      p_left[2] || ' --> ' || v_end, p_right[2] || ' --> ' || v_end]
    when 'LOOP' then case when p_condition[1] is null
      then array[p_id || ' --> ' || p_left[1], p_left[2] || ' -->|again| ' || p_id]
      else array[p_id || ' --> ' || p_left[1], p_left[2] || ' --> ' || p_condition[1],
        p_condition[2] || ' -->|true| ' || p_id, p_condition[2] || ' -->|false| ' || v_end] end
  end, null);
end
$$;
ALTER FUNCTION df.mermaid_edges(p_type text, p_id text, p_condition text[], p_left text[], p_right text[]) OWNER TO df_owner;
CREATE FUNCTION df.metrics() RETURNS TABLE(total_instances bigint, running_instances bigint, completed_instances bigint, failed_instances bigint, total_executions bigint, total_events bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select count(*), count(*) filter (where i.status = 'running'),
           count(*) filter (where i.status = 'completed'), count(*) filter (where i.status = 'failed'),
           coalesce(sum(i.executions), 0)::bigint,
           df.row_count('df.node_runs') + df.row_count('df.outbox')
      from df.instances i
$$;
ALTER FUNCTION df.metrics() OWNER TO df_owner;
CREATE FUNCTION df.name_event() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    new.event_id := new.instance_id || '/' || new.kind || coalesce('/' || new.key, '');
    if new.kind not in ('start', 'signal') then
        if current_setting('session_replication_role') = 'replica' then
            raise exception 'a % needs triggers that session_replication_role = replica sets aside', new.kind
                using errcode = '55000', hint = 'Before it, a superuser runs: SET LOCAL session_replication_role = origin;';
        end if;
        new.payload := coalesce(new.payload, '');
    end if;
    new.queued := new.kind <> 'start' and new.delivered_at is null;
    return new;
end
$$;
ALTER FUNCTION df.name_event() OWNER TO df_owner;
CREATE FUNCTION df.name_fault(p_name text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
  select case
    when p_name is null then 'a result name is NULL'
    when p_name !~ '^[A-Za-z_][A-Za-z0-9_]*$' then
      format('result name %L is not a valid identifier: letters, digits and underscores, not'
        ' starting with a digit', left(p_name, 100))
  end
$_$;
ALTER FUNCTION df.name_fault(p_name text) OWNER TO df_owner;
CREATE FUNCTION df.new_instance_id(p_at timestamp with time zone DEFAULT now()) RETURNS text
    LANGUAGE sql PARALLEL RESTRICTED
    AS $$
    select pg_catalog.translate(pg_catalog.encode(
        pg_catalog.substr(pg_catalog.timestamptz_send(p_at), 5, 1) operator(pg_catalog.||)
        -- The mantissa of a number: of the process before the point, of chance behind it.
        pg_catalog.substr(pg_catalog.float8send(
            pg_catalog.random() operator(pg_catalog.+) pg_catalog.pg_backend_pid()::pg_catalog.float8), 3, 5),
        'base64'), '+/', 'kQ')
$$;
ALTER FUNCTION df.new_instance_id(p_at timestamp with time zone) OWNER TO df_owner;
CREATE FUNCTION df.node_children(p_node jsonb, OUT texts text[], OUT nodes jsonb[], OUT segments text[], OUT fault text) RETURNS record
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_type text := p_node ->> 'node_type';
  v_extra jsonb := nullif(p_node -> 'extra_nodes', 'null');
  v_field text;
  v_child jsonb;
  v_n int := 0;
begin
  foreach v_field in array array['condition_node', 'left_node', 'right_node'] loop
    v_child := p_node -> v_field;
    if jsonb_typeof(v_child) = 'object' then
      v_n := v_n + 1;
      texts[v_n] := ',"' || v_field || '":';
      nodes[v_n] := v_child;
      segments[v_n] := case v_field when 'condition_node' then '.condition_node'
        when 'right_node' then '.right' else case v_type when 'LOOP' then '.body' else '.left' end
        end;
    elsif v_child <> 'null' then
      fault := format('%s in %s must be a Durofut JSON object', v_field, v_type);
      return;
    elsif v_field = 'left_node' or (v_field = 'right_node' and v_type <> 'LOOP') then
      fault := format('%s in %s is required', v_field, v_type);
      return;
    end if;
  end loop;
  if v_extra is null or v_extra = '[]' then
    return;
  elsif jsonb_typeof(v_extra) <> 'array' then
    fault := 'extra_nodes in JOIN must be an array';
  elsif exists (select from jsonb_array_elements(v_extra) e where jsonb_typeof(e) <> 'object') then
    fault := 'extra_nodes entries must be Durofut JSON objects';
  else
    select texts || array_agg(case e.n when 1 then ',"extra_nodes":[' else ',' end order by e.n),
      nodes || array_agg(e.node order by e.n),
      segments || array_agg('.extra_nodes[' || e.n - 1 || ']' order by e.n)
    into texts, nodes, segments
    from jsonb_array_elements(v_extra) with ordinality as e(node, n);
  end if;
end
$$;
ALTER FUNCTION df.node_children(p_node jsonb, OUT texts text[], OUT nodes jsonb[], OUT segments text[], OUT fault text) OWNER TO df_owner;
CREATE FUNCTION df.node_fields() RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select array['node_type', 'query', 'result_name', 'condition_node', 'left_node', 'right_node',
               'extra_nodes', 'retry', 'node_timeout_seconds']
$$;
ALTER FUNCTION df.node_fields() OWNER TO df_owner;
CREATE FUNCTION df.node_label(p_node_type text, p_query text, p_result_name text, p_retry jsonb, p_timeout_seconds numeric) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  c_most_characters constant int := 200;
  v_config jsonb;
  v_label text;
begin
  if p_query is not null and p_node_type not in ('SQL', 'SLEEP') then
    v_config := p_query::jsonb;
  end if;
  v_label := case p_node_type
    when 'SQL' then 'SQL: ' || p_query
    when 'SLEEP' then 'SLEEP ' || p_query || 's'
    when 'WAIT_SCHEDULE' then format('WAIT_SCHEDULE %L', v_config ->> 'cron_expr')
    when 'SIGNAL' then format('SIGNAL %L', v_config ->> 'signal_name')
      || coalesce(' (timeout ' || (v_config ->> 'timeout_seconds') || 's)', '')
    when 'BREAK' then 'BREAK' || coalesce(' ' || quote_literal(v_config ->> 'break_value'), '')
    when 'HTTP' then format('HTTP %s %s', v_config ->> 'method', v_config ->> 'url')
    when 'HTTP_MULTIPART' then
      format('HTTP_MULTIPART %s %s', v_config ->> 'method', v_config ->> 'url')
    when 'IF' then 'IF' || coalesce(' $' || (v_config ->> 'result_name') || ' has rows', '')
    else p_node_type end;
  v_label := btrim(regexp_replace(v_label, E'\\s+', ' ', 'g'));
  if length(v_label) > c_most_characters then
    v_label := left(v_label, c_most_characters) || '…';
  end if;
  return v_label
    || case when p_result_name is null then '' else ' |=> ' || p_result_name end
    || case when p_retry is null then ''
       else format(' (up to %s attempts)', p_retry ->> 'max_attempts') end
    || case when p_timeout_seconds is null then ''
       else format(' (at most %ss)', trim_scale(p_timeout_seconds)) end;
end
$_$;
ALTER FUNCTION df.node_label(p_node_type text, p_query text, p_result_name text, p_retry jsonb, p_timeout_seconds numeric) OWNER TO df_owner;
CREATE FUNCTION df.node_layout(p_instance text, p_graph text, p_results boolean) RETURNS TABLE(n integer, parent integer, role integer, path text, segment text, node_type text, query text, result_name text, left_path text, right_path text, run_turns text, run_status text, run_turn integer, run_attempt integer, run_at timestamp with time zone, run_due_at timestamp with time zone, run_signal text, run_sqlstate text, run_error text, run_result text, truth boolean)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_nestloop TO 'off'
    SET jit TO 'off'
    AS $$
    with placed as (
        select t.*, substr(t.path, length(t.parent) + 2) as segment
          from df.node_tree(p_graph) t
    ), ranked as (
        select p.*, case when p.segment = 'condition_node' then 0
                         when p.segment in ('left', 'body') then 1
                         when p.segment = 'right' then 2
                         when p.segment is null then 0
                         else 3 + substring(p.segment from E'\\[([0-9]+)\\]')::integer end as role
          from placed p
    ), numbered as materialized (
        select r.*, (row_number() over (order by r.depth, r.parent collate "C", r.role))::integer as n
          from ranked r
    ), runs as (
        select distinct on (u.path) u.*
          from (select df.static_path(r.run_path) as path, df.path_turns(r.run_path) collate "C" as turns,
                       r.run_path, r.status, r.turn, r.attempt, r.created_at, r.ended_at, r.due_at,
                       r.signal_name, r.sqlstate, r.error, r.result
                  from df.node_runs r where r.instance_id = p_instance) as u
         order by u.path, u.turns desc
    )
    select c.n, p.n, c.role, c.path, c.segment, c.node_type, c.query, c.result_name,
           c.left_path, c.right_path, r.turns, r.status, r.turn, r.attempt,
           coalesce(r.ended_at, r.created_at), r.due_at, r.signal_name, r.sqlstate, r.error,
           case when p_results then r.result::text end,
           case when r.status = 'completed' and r.run_path like E'%condition\\_node%'
                then df.truth(r.result) end
      from numbered c
      left join numbered p on p.path = c.parent
      left join runs r on r.path = c.path
     order by c.n
$$;
ALTER FUNCTION df.node_layout(p_instance text, p_graph text, p_results boolean) OWNER TO df_owner;
CREATE FUNCTION df.node_of(p_input text, p_where text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_fault text;
begin
  if p_input ^@ '{"node_type":"' then
    return p_input;
  end if;
  v_fault := df.step_fault(p_input);
  if v_fault is not null then
    raise exception using errcode = '22023', message = format('%s: %s', p_where, v_fault);
  elsif p_input ~ E'^\\s*\\{\\s*"' then
    return btrim(p_input, E' \t\r\n');
  end if;
  return '{"node_type":"SQL","query":' || to_json(p_input)::text || '}';
end
$$;
ALTER FUNCTION df.node_of(p_input text, p_where text) OWNER TO df_owner;
CREATE FUNCTION df.node_rest(p_node_type text, p_rest jsonb, OUT tail text, OUT fault text) RETURNS record
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_retry jsonb := nullif(p_rest -> 'retry', 'null');
  v_timeout jsonb := nullif(p_rest -> 'node_timeout_seconds', 'null');
  -- A field that no node has is let be; one that another type has is a mistake.
  v_stray text := (
    select min(f.key) from jsonb_each(p_rest) f
    where f.key = any (array['condition_node', 'left_node', 'right_node', 'extra_nodes'])
      and f.value not in ('null', '[]'));
begin
  tail := '';
  if v_stray is not null then
    fault := format('%s is not allowed in %s', v_stray, p_node_type);
    return;
  end if;
  if v_retry is not null then
    select ',"retry":' || c.config, c.fault into tail, fault
    from df.retry_config(p_node_type, v_retry) c;
  end if;
  if v_timeout is not null then
    fault := coalesce(fault, df.node_timeout_fault(v_timeout));
    if fault is not null then
      return;
    end if;
    tail := tail || ',"node_timeout_seconds":' || trim_scale(v_timeout::numeric)::text;
  end if;
  tail := tail || '}';
end
$$;
ALTER FUNCTION df.node_rest(p_node_type text, p_rest jsonb, OUT tail text, OUT fault text) OWNER TO df_owner;
CREATE FUNCTION df.node_states(p_instance text) RETURNS TABLE(path text, id text, parent_id text, node_type text, query text, result_name text, left_node text, right_node text, status text, result json, error text, sqlstate text, inferred_status text, inferred_status_from_ancestor_id text, updated_at timestamp with time zone, attempt integer, run_path text, run_status text, iteration integer, due_at timestamp with time zone, signal_name text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select s.path, s.id, s.parent_id, s.node_type, s.query, s.result_name, s.left_node, s.right_node,
           s.status, s.result, s.error, s.sqlstate, s.inferred_status,
           s.inferred_status_from_ancestor_id, s.updated_at, s.attempt, s.run_path, s.run_status,
           s.iteration, s.due_at, s.signal_name
      from df.node_states_of(p_instance, true) s
$$;
ALTER FUNCTION df.node_states(p_instance text) OWNER TO df_owner;
CREATE FUNCTION df.node_states_of(p_instance text, p_results boolean) RETURNS TABLE(path text, id text, parent_id text, node_type text, query text, result_name text, left_node text, right_node text, status text, result json, error text, sqlstate text, inferred_status text, inferred_status_from_ancestor_id text, updated_at timestamp with time zone, attempt integer, run_path text, run_status text, iteration integer, due_at timestamp with time zone, signal_name text, reached boolean)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_inst    record;
    v_count   integer;
    -- Per node, by its number: what the layout says …
    v_parent  integer[]; v_role integer[]; v_path text[]; v_segment text[]; v_type text[];
    v_query   text[]; v_name text[]; v_left_path text[]; v_right_path text[];
    v_turns   text[]; v_run text[]; v_turn integer[]; v_attempt integer[]; v_at timestamptz[];
    v_due     timestamptz[]; v_signal text[]; v_sqlstate text[]; v_error text[]; v_result text[];
    v_truth   boolean[];
    -- … its children, by role, and the last of all branches …
    v_cond    integer[]; v_left integer[]; v_right integer[]; v_last integer[];
    -- … the iterations of the loops around it, of the latest run below it, whether it is in a loop …
    v_here    text[]; v_below text[];
    -- … how it ended: null, completed, failed or break; which node's result and error are its own …
    v_end     text[]; v_from integer[];
    -- … the branch taken (IF, RACE), whether a loop goes on, the iteration a loop is in …
    v_taken   integer[]; v_on boolean[]; v_iter integer[];
    -- … whether it is reached, whether its runs are those of a passed iteration, what cut it short.
    v_reached boolean[]; v_fresh boolean[]; v_stop integer[]; v_run_path text[];
    n         integer; p integer; k integer; c integer; v_depth integer;
    v_text    text;
begin
    select i.*, g.graph into v_inst
      from df.instances i join df.graphs g on g.id = i.graph_id and g.owner = i.submitted_by
     where i.id = p_instance;
    if not found then
        return;
    end if;
    select count(*), array_agg(l.parent), array_agg(l.role), array_agg(l.path), array_agg(l.segment),
           array_agg(l.node_type), array_agg(l.query), array_agg(l.result_name),
           array_agg(l.left_path), array_agg(l.right_path),
           array_agg(l.run_turns), array_agg(l.run_status), array_agg(l.run_turn),
           array_agg(l.run_attempt), array_agg(l.run_at), array_agg(l.run_due_at),
           array_agg(l.run_signal), array_agg(l.run_sqlstate), array_agg(l.run_error),
           array_agg(l.run_result), array_agg(l.truth)
      into v_count, v_parent, v_role, v_path, v_segment, v_type, v_query, v_name, v_left_path,
           v_right_path, v_turns, v_run, v_turn, v_attempt, v_at, v_due, v_signal, v_sqlstate,
           v_error, v_result, v_truth
      from df.node_layout(p_instance, v_inst.graph, p_results) l;
    v_cond := array_fill(null::integer, array[v_count]);
    v_left := v_cond; v_right := v_cond; v_last := v_cond; v_from := v_cond; v_taken := v_cond;
    v_iter := v_cond; v_stop := v_cond;
    v_here := array_fill(null::text, array[v_count]);
    v_below := v_here; v_end := v_here; v_run_path := v_here;
    v_on := array_fill(null::boolean, array[v_count]);
    v_reached := v_on; v_fresh := v_on;
    -- Upwards: the children of each node, and the latest iterations that any run below it names.
    for n in reverse v_count..1 loop
        p := v_parent[n];
        if v_type[n] = 'LOOP' and v_run[n] = 'checkpoint' then
            v_below[n] := greatest(v_below[n], (v_turns[n] || lpad(v_turn[n]::text, 10, '0')) collate "C");
        elsif v_turns[n] is not null then
            v_below[n] := greatest(v_below[n], v_turns[n] collate "C");
        end if;
        exit when p is null;
        if v_role[n] = 0 then v_cond[p] := n; elsif v_role[n] = 1 then v_left[p] := n;
        elsif v_role[n] = 2 then v_right[p] := n; end if;
        v_last[p] := greatest(v_last[p], n);
        if v_type[n] = 'LOOP' then
            -- What a loop hands up is without its own iteration; whether it has runs is all the same.
            v_below[p] := greatest(v_below[p], left(v_below[n], -10) collate "C");
        elsif v_below[n] is not null then
            v_below[p] := greatest(v_below[p], v_below[n] collate "C");
        end if;
    end loop;
    -- Downwards: which iteration each node stands in, and with it which runs are of today.
    for n in 1..v_count loop
        p := v_parent[n];
        v_here[n] := case when p is null then ''
                          when v_type[p] = 'LOOP' then v_here[p] || lpad(v_iter[p]::text, 10, '0')
                          else v_here[p] end;
        if v_turns[n] is distinct from v_here[n] then
            v_run[n] := null; v_attempt[n] := null; v_at[n] := null; v_due[n] := null;
            v_signal[n] := null; v_sqlstate[n] := null; v_error[n] := null; v_result[n] := null;
        end if;
        if v_type[n] = 'LOOP' then
            v_depth := length(v_here[n]);
            v_iter[n] := case when length(v_below[n]) = v_depth + 10 and left(v_below[n], v_depth) = v_here[n]
                              then right(v_below[n], 10)::integer else 0 end;
        end if;
    end loop;
    -- Upwards: how each node has ended, from how its children have.
    for n in reverse v_count..1 loop
        -- A control node has a failed run when its time was up; what it had come to still counts.
        if v_run[n] in ('completed', 'failed') and v_type[n] not in ('THEN', 'JOIN', 'RACE', 'IF', 'LOOP') then
            v_end[n] := v_run[n];
            v_from[n] := n;
            if v_type[n] = 'BREAK' and v_end[n] = 'completed' then
                if v_here[n] = '' then
                    -- A BREAK outside any loop is what fails the instance.
                    v_end[n] := 'failed';
                    v_error[n] := coalesce(case v_inst.status when 'failed' then v_inst.error end,
                                           'BREAK outside any loop');
                else
                    v_end[n] := 'break';
                end if;
            end if;
            continue;
        end if;
        case v_type[n]
        when 'THEN' then
            c := case when v_end[v_left[n]] = 'completed' then v_right[n] else v_left[n] end;
            v_end[n] := v_end[c];
            v_from[n] := v_from[c];
        when 'JOIN' then
            c := null;
            v_text := 'completed';
            for k in v_left[n]..v_last[n] loop
                if v_end[k] is null then
                    v_text := null;
                    exit;
                elsif v_end[k] <> 'completed' and c is null then
                    c := k;
                end if;
            end loop;
            if v_text is not null then
                v_end[n] := coalesce(v_end[c], 'completed');
                v_from[n] := coalesce(v_from[c], n);
                if c is null then
                    v_truth[n] := true;
                    if p_results then
                        v_result[n] := (select '[' || string_agg(coalesce(v_result[v_from[b]], 'null'), ',' order by b) || ']'
                                          from generate_series(v_left[n], v_last[n]) as b);
                    end if;
                end if;
            end if;
        when 'RACE' then
            if v_run[n] = 'decided' then
                v_taken[n] := case v_turn[n] when 0 then v_left[n] else v_right[n] end;
            elsif num_nulls(v_end[v_left[n]], v_end[v_right[n]]) = 1 then
                v_taken[n] := case when v_end[v_left[n]] is null then v_right[n] else v_left[n] end;
            end if;
            v_end[n] := v_end[v_taken[n]];
            v_from[n] := v_from[v_taken[n]];
        when 'IF' then
            c := v_cond[n];
            if c is null and v_run[n] = 'decided' then
                v_taken[n] := case v_turn[n] when 1 then v_left[n] else v_right[n] end;
            elsif v_end[c] = 'completed' then
                v_taken[n] := case when v_truth[v_from[c]] then v_left[n] else v_right[n] end;
            end if;
            if v_taken[n] is not null then
                c := v_taken[n];
            end if;
            v_end[n] := v_end[c];
            v_from[n] := v_from[c];
        when 'LOOP' then
            c := v_left[n];
            if v_end[c] = 'completed' then
                if v_cond[n] is null then
                    v_on[n] := true;
                elsif v_end[v_cond[n]] is distinct from 'completed' then
                    c := v_cond[n];
                elsif v_truth[v_from[v_cond[n]]] then
                    v_on[n] := true;
                end if;
            end if;
            if v_on[n] is null and v_end[c] is not null then
                v_end[n] := case v_end[c] when 'break' then 'completed' else v_end[c] end;
                v_from[n] := v_from[c];
            end if;
        else
            null;  -- A leaf without an ended run.
        end case;
        if v_run[n] = 'failed' and v_type[n] in ('THEN', 'JOIN', 'RACE', 'IF', 'LOOP') then
            v_end[n] := 'failed';
            v_from[n] := n;
            v_on[n] := null;
        end if;
        -- An instance may fail at a node that has no run: one that could not even be tried.
        if v_end[n] is distinct from 'failed' and v_inst.status = 'failed'
           and df.static_path(v_inst.error_path) = v_path[n]
           and df.path_turns(v_inst.error_path) = v_here[n] then
            v_end[n] := 'failed';
            v_from[n] := n;
            v_error[n] := v_inst.error;
            v_sqlstate[n] := v_inst.error_sqlstate;
        end if;
    end loop;
    -- Upwards once more: when each node last moved.
    for n in reverse v_count..2 loop
        v_at[v_parent[n]] := greatest(v_at[v_parent[n]], v_at[n]);
    end loop;
    -- Downwards: what was reached, what never will be, and who decided that.
    for n in 1..v_count loop
        p := v_parent[n];
        if p is null then
            v_run_path[n] := 'root';
            v_fresh[n] := false;
            v_reached[n] := v_inst.epoch > 0 or v_inst.ended_at is not null;
            v_stop[n] := case when v_inst.ended_at is not null then n end;
        else
            v_fresh[n] := v_fresh[p] or coalesce(v_on[p], false);
            v_run_path[n] := v_run_path[p] || '.' || v_segment[n]
                || case when v_type[p] = 'LOOP' then '[' || v_iter[p] || ']' else '' end;
            v_reached[n] := v_reached[p] and (v_inst.epoch > 0 or v_inst.status <> 'cancelled')
                and case v_type[p]
                when 'THEN' then v_role[n] = 1 or (not v_fresh[n] and v_end[v_left[p]] = 'completed')
                when 'IF' then v_role[n] = 0 or (not v_fresh[n] and v_taken[p] = n)
                when 'LOOP' then v_role[n] = 1 or (not v_fresh[n] and v_end[v_left[p]] = 'completed')
                else true end;
            -- The nearest that decides: a parent that has ended, or chose another branch.
            v_stop[n] := case
                when not v_fresh[n] and (v_end[p] is not null or v_taken[p] <> n) then p
                else v_stop[p] end;
        end if;
        if v_type[n] = 'LOOP' then
            v_iter[n] := case when v_fresh[n] then 0 when v_on[n] then v_iter[n] + 1 else v_iter[n] end;
        end if;
        path := v_path[n];
        id := p_instance || ':' || path;
        parent_id := p_instance || ':' || v_path[p];
        node_type := v_type[n];
        query := v_query[n];
        result_name := v_name[n];
        left_node := p_instance || ':' || v_left_path[n];
        right_node := p_instance || ':' || v_right_path[n];
        run_path := v_run_path[n];
        iteration := v_iter[n];
        reached := coalesce(v_reached[n], false);
        status := case when v_fresh[n] or v_end[n] is null
                       then case when not coalesce(v_reached[n], false) then 'pending'
                                 when v_stop[n] is null then 'running' else 'cancelled' end
                       when v_end[n] = 'failed' then 'failed' else 'completed' end;
        inferred_status := status;
        inferred_status_from_ancestor_id := null;
        if v_stop[n] is not null and status in ('pending', 'cancelled') then
            if status = 'pending' or (v_type[v_stop[n]] = 'RACE' and v_stop[n] <> n
                                      and v_taken[v_stop[n]] is not null) then
                inferred_status := 'skipped';
            end if;
            inferred_status_from_ancestor_id := p_instance || ':' || v_path[v_stop[n]];
        end if;
        updated_at := coalesce(v_at[n], v_inst.created_at);
        if v_fresh[n] then
            run_status := null; attempt := null; due_at := null; signal_name := null;
        else
            run_status := v_run[n]; attempt := v_attempt[n]; due_at := v_due[n]; signal_name := v_signal[n];
        end if;
        result := null; error := null; sqlstate := null;
        if status = 'completed' then
            result := case when p_results then coalesce(v_result[v_from[n]], 'null')::json end;
        elsif status = 'failed' then
            error := v_error[v_from[n]];
            sqlstate := v_sqlstate[v_from[n]];
            result := case when p_results then to_json(error) end;
        end if;
        return next;
    end loop;
end
$$;
ALTER FUNCTION df.node_states_of(p_instance text, p_results boolean) OWNER TO df_owner;
CREATE FUNCTION df.node_text(p_node jsonb, OUT head text, OUT tail text, OUT is_leaf boolean, OUT fault text) RETURNS record
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_type text := p_node ->> 'node_type';
  v_fields text[] := df.node_type_fields(v_type);
  v_query jsonb := nullif(p_node -> 'query', 'null');
  v_name jsonb := nullif(p_node -> 'result_name', 'null');
  v_rest jsonb := p_node - v_fields - array['node_type', 'result_name'];
  v_retry text;
  v_text text;
begin
  tail := '}';
  is_leaf := v_fields = array['query'];
  if jsonb_typeof(p_node -> 'node_type') is distinct from 'string' then
    fault := case when p_node ? 'incomplete_if' then df.step_fault('{"incomplete_if":')
                  when nullif(p_node -> 'node_type', 'null') is null then 'Missing node_type'
                  else 'node_type must be a string' end;
  elsif v_fields is null then
    fault := format('Unknown node_type ''%s''', left(v_type, 100));
  elsif v_name is not null and jsonb_typeof(v_name) <> 'string' then
    fault := 'result_name must be a string';
  elsif v_name is not null and df.name_fault(v_name #>> '{}') is not null then
    fault := df.name_fault(v_name #>> '{}');
  elsif v_query is null and v_type <> 'BREAK' and is_leaf then
    fault := format('query in %s is required', v_type);
  elsif jsonb_typeof(v_query) <> 'string' then
    fault := format('query in %s must be a string', v_type);
  elsif v_type in ('IF', 'LOOP') then
    select q.query, q.fault into v_text, fault
    from df.choice_query(v_type, v_query #>> '{}', nullif(p_node -> 'condition_node', 'null')) q;
  elsif v_fields[1] = 'query' then
    -- Only a BREAK may have none; an empty config says the same.
    select q.query, q.fault into v_text, fault
    from df.leaf_query(v_type, coalesce(v_query #>> '{}', '{}')) q;
  end if;
  if fault is null and v_rest <> '{}' then
    select r.tail, r.fault into tail, fault from df.node_rest(v_type, v_rest) r;
  end if;
  head := '{"node_type":"' || v_type || '"'
    || coalesce(',"query":' || to_json(v_text)::text, '')
    || coalesce(',"result_name":' || v_name::text, '');
end
$$;
ALTER FUNCTION df.node_text(p_node jsonb, OUT head text, OUT tail text, OUT is_leaf boolean, OUT fault text) OWNER TO df_owner;
CREATE FUNCTION df.node_timeout_fault(p_seconds jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if jsonb_typeof(p_seconds) is distinct from 'number' then
    return 'the timeout must be a number of seconds';
  elsif p_seconds::numeric <= 0 or p_seconds::numeric > 100000000000 then
    return 'the timeout must be greater than zero and at most 100000000000 seconds';
  end if;
  return null;
end
$$;
ALTER FUNCTION df.node_timeout_fault(p_seconds jsonb) OWNER TO df_owner;
CREATE FUNCTION df.node_tree(p_graph text) RETURNS TABLE(path text, parent text, ordinal integer, node_type text, query text, result_name text, left_path text, right_path text, condition_path text, extra_paths text[], depth integer, retry jsonb, node_timeout_seconds numeric)
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_nodes jsonb[] := array[p_graph::jsonb];
  v_paths text[] := array['root'];
  v_parents text[] := array[null::text];
  v_depths int[] := array[0];
  v_top int := 1;
  v_node jsonb;
  v_children jsonb[];
  v_segments text[];
begin
  ordinal := -1;
  while v_top > 0 loop
    v_node := v_nodes[v_top];
    path := v_paths[v_top];
    parent := v_parents[v_top];
    depth := v_depths[v_top];
    v_top := v_top - 1;
    ordinal := ordinal + 1;
    node_type := v_node ->> 'node_type';
    query := v_node ->> 'query';
    result_name := v_node ->> 'result_name';
    retry := nullif(v_node -> 'retry', 'null');
    node_timeout_seconds := v_node ->> 'node_timeout_seconds';
    left_path := null;
    right_path := null;
    condition_path := null;
    extra_paths := null;
    if not v_node ? 'left_node' then
      return next;
      continue;
    end if;
    left_path := path || case node_type when 'LOOP' then '.body' else '.left' end;
    if v_node ? 'right_node' then
      right_path := path || '.right';
    end if;
    if v_node ? 'condition_node' then
      condition_path := path || '.condition_node';
    end if;
    select c.nodes, c.segments into v_children, v_segments from df.node_children(v_node) c;
    if cardinality(v_children) > 2 and node_type = 'JOIN' then
      extra_paths := array(
        select path || s.segment from unnest(v_segments[3:]) with ordinality s(segment, n)
        order by s.n);
    elsif node_type = 'LOOP' and cardinality(v_children) = 2 then
      v_children := array[v_children[2], v_children[1]];
      v_segments := array[v_segments[2], v_segments[1]];
    end if;
    return next;
    for i in reverse cardinality(v_children) .. 1 loop
      v_top := v_top + 1;
      v_nodes[v_top] := v_children[i];
      v_paths[v_top] := path || v_segments[i];
      v_parents[v_top] := path;
      v_depths[v_top] := depth + 1;
    end loop;
  end loop;
end
$$;
ALTER FUNCTION df.node_tree(p_graph text) OWNER TO df_owner;
CREATE FUNCTION df.node_type_fields(p_node_type text) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select case
    when p_node_type in ('SQL', 'SLEEP', 'WAIT_SCHEDULE', 'SIGNAL', 'BREAK', 'HTTP',
      'HTTP_MULTIPART') then array['query']
    when p_node_type in ('THEN', 'RACE') then array['left_node', 'right_node']
    when p_node_type = 'JOIN' then array['left_node', 'right_node', 'extra_nodes']
    when p_node_type = 'IF' then array['query', 'condition_node', 'left_node', 'right_node']
    when p_node_type = 'LOOP' then array['query', 'condition_node', 'left_node']
  end
$$;
ALTER FUNCTION df.node_type_fields(p_node_type text) OWNER TO df_owner;
CREATE FUNCTION df.node_with(p_node text, p_field text, p_value text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return (
    select '{' || string_agg(to_json(f.key)::text || ':' || f.value, ','
             order by array_position(df.node_fields(), f.key), f.key) || '}'
    from (
      select e.key, e.value::text from json_each(p_node::json) e where e.key <> p_field
      union all
      select p_field, p_value
    ) f
  );
end
$$;
ALTER FUNCTION df.node_with(p_node text, p_field text, p_value text) OWNER TO df_owner;
CREATE FUNCTION df.part_fault(p_part jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  -- Padding may be left out; bits beyond the last byte must be zero.
  c_base64 constant text := '^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw](?:==)?'
    '|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=?)?$';
  v_data text;
  v_field text;
begin
  if jsonb_typeof(p_part) <> 'object' then
    return 'each part must be an object {name, data_b64, filename, content_type}';
  elsif coalesce(p_part ->> 'name', '') = '' then
    return 'a part needs a name';
  elsif p_part ->> 'data_b64' is null then
    return format('part %L needs data_b64', left(p_part ->> 'name', 100));
  end if;
  foreach v_field in array array['name', 'data_b64', 'filename', 'content_type'] loop
    if jsonb_typeof(p_part -> v_field) not in ('string', 'null') then
      return format('%s of a part must be text', v_field);
    elsif v_field <> 'data_b64' and p_part ->> v_field ~ E'[\\r\\n]' then
      return format('%s of a part must not hold a line break', v_field);
    end if;
  end loop;
  -- A reference to the data is judged when the node runs and knows what it refers to.
  v_data := p_part ->> 'data_b64';
  if v_data !~ '[${][A-Za-z_]' then
    if regexp_replace(v_data, E'\\s+', '', 'g') !~ c_base64 then
      return format('data_b64 of part %L is not valid base64', left(p_part ->> 'name', 100));
    end if;
  end if;
  return null;
end
$_$;
ALTER FUNCTION df.part_fault(p_part jsonb) OWNER TO df_owner;
CREATE FUNCTION df.path_turns(p_run_path text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select case when position('[' in p_run_path) = 0 then '' else coalesce((
        select string_agg(lpad(m.turn[1], 10, '0'), '' order by m.n)
          from regexp_matches(p_run_path, E'\\.(?:body|condition_node)\\[([0-9]+)\\]', 'g')
               with ordinality as m(turn, n)), '') end
$$;
ALTER FUNCTION df.path_turns(p_run_path text) OWNER TO df_owner;
CREATE FUNCTION df.paths_above(p_path text) RETURNS SETOF text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select array_to_string((string_to_array(p_path, '.'))[1:n], '.')
      from generate_series(1, cardinality(string_to_array(p_path, '.'))) as n
$$;
ALTER FUNCTION df.paths_above(p_path text) OWNER TO df_owner;
CREATE FUNCTION df.pause(instance_id text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if df.visible_status(pause.instance_id) in ('pending', 'running') then
        perform df.tell(pause.instance_id, 'pause', null);
    end if;
    return 'OK';
end
$$;
ALTER FUNCTION df.pause(instance_id text) OWNER TO df_owner;
CREATE FUNCTION df.pending_signals(p_instance text) RETURNS text[]
    LANGUAGE sql
    AS $$
    select coalesce(array_agg(distinct r.signal_name), '{}')
      from df.node_runs r, json_to_record(r.detail) as d(within text[], turns integer[])
     where r.instance_id = p_instance and r.status = 'waiting' and r.signal_name is not null
       and (coalesce(d.within, '{}') = '{}' or not df.decided_against(p_instance, d.within, d.turns))
$$;
ALTER FUNCTION df.pending_signals(p_instance text) OWNER TO df_owner;
CREATE FUNCTION df.place() RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select (select c.system_identifier from pg_control_system() as c) || '/'
           || (select d.oid from pg_database d where d.datname = current_database())
$$;
ALTER FUNCTION df.place() OWNER TO df_owner;
CREATE FUNCTION df.postpone_event(p_event_id text, p_error text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    update df.outbox o
       set attempts = o.attempts + 1, last_error = left(p_error, 10000),
           retry_at = clock_timestamp() + make_interval(secs => least(power(2, o.attempts), 3600)),
           parked_at = case when o.attempts + 1 >= df.setting('delivery_attempts')::integer
                            then clock_timestamp() end
     where o.event_id = p_event_id
$$;
ALTER FUNCTION df.postpone_event(p_event_id text, p_error text) OWNER TO df_owner;
CREATE FUNCTION df.prepare_record(p_xid xid8, p_run_path text, p_status text, p_result text, p_checkpoints text, p_lock_timeout text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if pg_current_xact_id() is distinct from p_xid then
        raise exception 'transaction control in a step: the statement ended its transaction'
            using errcode = 'DF004';
    end if;
    -- The statement may have turned it down; the effect and its record are as durable as each other.
    if current_setting('synchronous_commit') not in ('on', 'remote_apply') then
        perform set_config('synchronous_commit', 'on', true);
    end if;
    -- A step can call this by itself: what it records must not fill whoever reads it.
    if p_status not in ('completed', 'failed') or p_run_path is null then
        raise exception 'a step is recorded as completed or failed' using errcode = '22023';
    elsif octet_length(p_run_path) > 8192 or octet_length(p_checkpoints) > 16777216
       or (octet_length(p_result) > 1048576
           and octet_length(p_result) > df.setting('max_result_bytes')::bigint) then
        raise exception 'what is recorded is larger than the max_result_bytes setting of %',
            df.setting('max_result_bytes') using errcode = '54000';
    end if;
    if p_lock_timeout is not null then
        perform set_config('lock_timeout', p_lock_timeout, true);
    end if;
end
$$;
ALTER FUNCTION df.prepare_record(p_xid xid8, p_run_path text, p_status text, p_result text, p_checkpoints text, p_lock_timeout text) OWNER TO df_owner;
CREATE FUNCTION df.queue_event() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    update df.outbox o set queued = new.delivered_at is null where o.event_id = new.event_id;
    return null;
end
$$;
ALTER FUNCTION df.queue_event() OWNER TO df_owner;
CREATE FUNCTION df.race(a text, b text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return '{"node_type":"RACE","left_node":'
    || case when a ^@ '{"node_type":"' then a else df.node_of(a, 'df.race') end
    || ',"right_node":'
    || case when b ^@ '{"node_type":"' then b else df.node_of(b, 'df.race') end
    || '}';
end
$$;
ALTER FUNCTION df.race(a text, b text) OWNER TO df_owner;
CREATE FUNCTION df.raise_refusal(p_outcome text, p_instance text, p_run_path text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    case p_outcome
        when 'exists' then
            raise exception 'run % of instance % is recorded already', p_run_path, p_instance
                using errcode = '23505';
        when 'DF001' then
            raise exception 'instance % is not owned by this relay and epoch', p_instance
                using errcode = 'DF001';
        when 'DF002' then
            raise exception 'instance % has ended', p_instance using errcode = 'DF002';
        when 'DF003' then
            raise exception 'run % of instance % was decided against', p_run_path, p_instance
                using errcode = 'DF003';
        when 'DF007' then
            raise exception 'instance % was paused before this step began', p_instance
                using errcode = 'DF007';
        else
            raise exception 'run % of instance %: %', p_run_path, p_instance, p_outcome
                using errcode = 'XX000';
    end case;
end
$$;
ALTER FUNCTION df.raise_refusal(p_outcome text, p_instance text, p_run_path text) OWNER TO df_owner;
CREATE FUNCTION df.read_list_cursor(p_cursor text, OUT created_at timestamp with time zone, OUT id text) RETURNS record
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_text text;
begin
    begin
        v_text := convert_from(decode(p_cursor, 'base64'), 'UTF8');
    exception when invalid_parameter_value or character_not_in_repertoire or untranslatable_character then
        v_text := null;
    end;
    if v_text is null or v_text !~ '^[0-9]{1,16}/[A-Za-z0-9]{8}$' then
        raise exception 'invalid after_cursor %: pass a next_cursor as it was returned',
            quote_literal(left(p_cursor, 100)) using errcode = '22023';
    end if;
    created_at := 'epoch'::timestamptz + split_part(v_text, '/', 1)::double precision * interval '1 microsecond';
    id := split_part(v_text, '/', 2);
end
$_$;
ALTER FUNCTION df.read_list_cursor(p_cursor text, OUT created_at timestamp with time zone, OUT id text) OWNER TO df_owner;
CREATE FUNCTION df.readable_time(p_time timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ select to_char(p_time at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC' $$;
ALTER FUNCTION df.readable_time(p_time timestamp with time zone) OWNER TO df_owner;
CREATE FUNCTION df.reconcile() RETURNS TABLE(action text, affected bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return query values
        ('removed expired instances', df.remove_expired(100000)),
        ('removed orphaned events', df.remove_orphans(100000)),
        ('removed taken signals', df.remove_taken_signals(100000)),
        ('failed instances of dropped roles', df.fail_roleless(100000)),
        ('woke overdue instances', df.wake_overdue()),
        ('removed unused graphs', df.remove_graphs());
end
$$;
ALTER FUNCTION df.reconcile() OWNER TO df_owner;
CREATE FUNCTION df.record_grant(p_role oid, p_http boolean, p_with_grant boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_caller oid := df.calling_role();
begin
    perform df.check_granter(v_caller, 'grant');
    perform df.check_grantee(p_role);
    if p_http and not has_function_privilege(
        v_caller, 'df.http(text,text,text,jsonb,integer)', 'execute with grant option')
    then
        raise exception 'role % may not grant df.http: its own access came without the option', v_caller::regrole
            using errcode = '42501', hint = 'Leave out include_http, or ask the installing role.';
    end if;
    -- What DROP OWNED took back is no grant any more.
    delete from df.usage_granted u
     where u.role_oid = p_role
       and not exists (select from df.grants_of(p_role) g where g.object = 'schema df');
    insert into df.usage_granted as u (role_oid, granter_oid, http, with_grant)
    values (p_role, df.granter(v_caller), p_http, p_with_grant)
    on conflict (role_oid, granter_oid) do update
        set http = u.http or excluded.http, with_grant = u.with_grant or excluded.with_grant;
    perform df.regrant(p_role, p_http, p_with_grant);
end
$$;
ALTER FUNCTION df.record_grant(p_role oid, p_http boolean, p_with_grant boolean) OWNER TO df_owner;
CREATE FUNCTION df.record_retry(p_instance text, p_epoch bigint, p_incarnation uuid, p_path text, p_attempt integer, p_seconds double precision, p_error text, p_sqlstate text, p_within text[], p_turns integer[], p_checkpoints json) RETURNS text
    LANGUAGE plpgsql
    AS $$
declare
    v_fence text := df.fence(p_instance, p_epoch, p_incarnation, true, true);
    v_run   record;
begin
    if v_fence <> 'ok' then
        return v_fence;
    end if;
    if p_within <> '{}' and df.decided_against(p_instance, p_within, p_turns) then
        return 'DF003';
    end if;
    if p_error is not null then
        insert into df.node_runs as r (instance_id, run_path, status, attempt, epoch, due_at, error, sqlstate)
        values (p_instance, p_path, 'waiting', p_attempt, p_epoch,
                df.clock() + make_interval(secs => p_seconds), p_error, p_sqlstate)
        on conflict (instance_id, run_path) do update
            set status = excluded.status, attempt = excluded.attempt, epoch = excluded.epoch,
                due_at = excluded.due_at, error = excluded.error, sqlstate = excluded.sqlstate
            where (r.status = 'intent' and r.attempt <= excluded.attempt)
               or (r.status = 'waiting' and r.attempt < excluded.attempt);
        if found and p_checkpoints is not null then
            perform df.checkpoint(p_instance, p_epoch, p_checkpoints);
        end if;
    end if;
    select r.status, r.due_at into v_run from df.node_runs r
     where r.instance_id = p_instance and r.run_path = p_path;
    if not found then
        return 'DF003';
    elsif v_run.status <> 'waiting' then
        return 'exists';
    end if;
    return case when v_run.due_at <= df.clock() then 'ok' else 'waiting' end;
end
$$;
ALTER FUNCTION df.record_retry(p_instance text, p_epoch bigint, p_incarnation uuid, p_path text, p_attempt integer, p_seconds double precision, p_error text, p_sqlstate text, p_within text[], p_turns integer[], p_checkpoints json) OWNER TO df_owner;
CREATE FUNCTION df.record_revoke(p_role oid) RETURNS SETOF oid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_caller oid := df.calling_role();
    v_owner  boolean := df.acts_as_owner(v_caller);
begin
    perform df.check_granter(v_caller, 'revoke');
    perform df.check_grantee(p_role);
    delete from df.usage_granted u where u.role_oid = p_role and (v_owner or u.granter_oid = v_caller);
    if found or v_owner then
        return query select * from df.take_back(p_role);
    end if;
end
$$;
ALTER FUNCTION df.record_revoke(p_role oid) OWNER TO df_owner;
CREATE FUNCTION df.record_run(p_instance text, p_epoch bigint, p_incarnation uuid, p_run_path text, p_status text, p_result json, p_error text, p_sqlstate text, p_attempt integer, p_turn integer, p_within text[], p_turns integer[], p_decides text[], p_checkpoints json, p_ends text, p_skip_locked boolean, p_login name DEFAULT NULL::name) RETURNS text
    LANGUAGE plpgsql
    AS $$
declare
    v_fence text := df.fence(p_instance, p_epoch, p_incarnation,
        p_ends is not null or p_checkpoints is not null or p_decides <> '{}', p_skip_locked, p_login);
begin
    if v_fence not in ('ok', 'own-cancel') then
        return v_fence;
    end if;
    -- In a statement of its own: what the lock waited for is seen by no older snapshot.
    if p_within <> '{}' and df.decided_against(p_instance, p_within, p_turns) then
        return 'DF003';
    end if;
    if p_status = 'intent' then
        -- An intent comes before its act, so here nothing has begun yet.
        if exists (select from df.instances i where i.id = p_instance and i.paused_at is not null) then
            return 'DF007';
        end if;
    end if;
    insert into df.node_runs (instance_id, run_path, status, result, error, sqlstate, attempt, turn,
                              epoch, ended_at)
    values (p_instance, p_run_path, p_status, p_result, p_error, p_sqlstate, p_attempt, p_turn,
            p_epoch, case when p_status <> 'intent' then clock_timestamp() end)
    on conflict (instance_id, run_path) do nothing;
    if not found then
        -- What pauses before its next attempt is a row that this attempt may replace, and no other.
        update df.node_runs r
           set status = p_status, result = p_result, error = p_error, sqlstate = p_sqlstate,
               attempt = p_attempt, turn = p_turn, epoch = p_epoch, due_at = null,
               ended_at = case when p_status <> 'intent' then clock_timestamp() end
         where r.instance_id = p_instance and r.run_path = p_run_path
           and (r.status = 'intent' or (r.status = 'waiting' and r.attempt < p_attempt));
        if not found then
            return 'exists';
        end if;
    end if;
    if p_decides <> '{}' then
        perform df.decide(p_instance, p_epoch, p_within, p_turns, p_decides);
    end if;
    if p_checkpoints is not null then
        perform df.checkpoint(p_instance, p_epoch, p_checkpoints);
    end if;
    if p_ends is not null and v_fence = 'ok' then
        perform df.end_instance(p_instance, p_ends, p_result, p_error, p_sqlstate, p_run_path);
    end if;
    return 'ok';
end
$$;
ALTER FUNCTION df.record_run(p_instance text, p_epoch bigint, p_incarnation uuid, p_run_path text, p_status text, p_result json, p_error text, p_sqlstate text, p_attempt integer, p_turn integer, p_within text[], p_turns integer[], p_decides text[], p_checkpoints json, p_ends text, p_skip_locked boolean, p_login name) OWNER TO df_owner;
CREATE FUNCTION df.record_settle(p_instance text, p_epoch bigint, p_incarnation uuid, p_result json, p_error text, p_sqlstate text, p_path text, p_within text[], p_turns integer[], p_decides text[], p_ends text) RETURNS text
    LANGUAGE plpgsql
    AS $$
declare
    v_fence text := df.fence(p_instance, p_epoch, p_incarnation, true, true);
begin
    if v_fence <> 'ok' then
        return v_fence;
    end if;
    if p_within <> '{}' and df.decided_against(p_instance, p_within, p_turns) then
        return 'DF003';
    end if;
    if p_decides <> '{}' then
        perform df.decide(p_instance, p_epoch, p_within, p_turns, p_decides);
    end if;
    if p_ends is not null then
        perform df.end_instance(p_instance, p_ends, p_result, p_error, p_sqlstate, p_path);
    end if;
    return 'ok';
end
$$;
ALTER FUNCTION df.record_settle(p_instance text, p_epoch bigint, p_incarnation uuid, p_result json, p_error text, p_sqlstate text, p_path text, p_within text[], p_turns integer[], p_decides text[], p_ends text) OWNER TO df_owner;
CREATE FUNCTION df.record_timer(p_instance text, p_epoch bigint, p_incarnation uuid, p_path text, p_seconds double precision, p_error text, p_within text[], p_turns integer[], p_decides text[], p_ends text) RETURNS text
    LANGUAGE plpgsql
    AS $$
declare
    c_sqlstate constant text := '57014';
    v_fence    text := df.fence(p_instance, p_epoch, p_incarnation, true, true);
    v_timer    text := p_path || '.timeout.due';
    v_due      timestamptz;
begin
    if v_fence <> 'ok' then
        return v_fence;
    end if;
    if df.decided_against(p_instance, p_within, p_turns) then
        return 'DF003';
    end if;
    insert into df.node_runs (instance_id, run_path, status, epoch, due_at)
    values (p_instance, v_timer, 'waiting', p_epoch, df.clock() + make_interval(secs => p_seconds))
    on conflict (instance_id, run_path) do nothing;
    select r.due_at into v_due from df.node_runs r
     where r.instance_id = p_instance and r.run_path = v_timer and r.status = 'waiting';
    if v_due > df.clock() then
        return 'waiting';
    elsif v_due is null then
        return 'ok';
    end if;
    perform df.end_wait(p_instance, v_timer, 'null');
    insert into df.node_runs as r (instance_id, run_path, status, epoch, ended_at, error, sqlstate)
    values (p_instance, p_path, 'failed', p_epoch, clock_timestamp(), p_error, c_sqlstate)
    on conflict (instance_id, run_path) do update
        set status = excluded.status, epoch = excluded.epoch, ended_at = excluded.ended_at,
            error = excluded.error, sqlstate = excluded.sqlstate, turn = null, result = null,
            detail = case when r.turn is not null then json_build_object('was', json_build_object(
                'status', r.status, 'turn', r.turn, 'result', r.result, 'detail', r.detail)) end;
    perform df.decide(p_instance, p_epoch, p_within, p_turns, p_decides);
    if p_ends is not null then
        perform df.end_instance(p_instance, p_ends, null, p_error, c_sqlstate, p_path);
    end if;
    return 'ok';
end
$$;
ALTER FUNCTION df.record_timer(p_instance text, p_epoch bigint, p_incarnation uuid, p_path text, p_seconds double precision, p_error text, p_within text[], p_turns integer[], p_decides text[], p_ends text) OWNER TO df_owner;
CREATE FUNCTION df.record_wait(p_instance text, p_epoch bigint, p_incarnation uuid, p_path text, p_signal text, p_seconds double precision, p_due timestamp with time zone, p_result json, p_within text[], p_turns integer[], p_decides text[], p_checkpoints json, p_ends text) RETURNS text
    LANGUAGE plpgsql
    AS $$
declare
    v_fence  text := df.fence(p_instance, p_epoch, p_incarnation, true, true);
    v_run    df.node_runs%rowtype;
    v_begins boolean;
    v_due    timestamptz;
    v_key    text;
    v_left   text;
    v_woken  boolean := false;
    v_result json;
begin
    if v_fence <> 'ok' then
        return v_fence;
    end if;
    if p_within <> '{}' and df.decided_against(p_instance, p_within, p_turns) then
        return 'DF003';
    end if;
    select * into v_run from df.node_runs r where r.instance_id = p_instance and r.run_path = p_path;
    v_begins := not found;
    if p_signal is not null and (v_begins or (v_run.status = 'waiting' and v_run.due_at <= df.clock())) then
        for v_key in select s.key from df.signals s
                      where s.instance_id = p_instance and s.name = p_signal and s.consumed_at is null
                      order by s.n loop
            if df.hand_signal(p_instance, v_key) = '{}' then
                v_left := v_key;
                exit;
            end if;
            v_woken := true;
        end loop;
        if v_woken then
            select * into v_run from df.node_runs r where r.instance_id = p_instance and r.run_path = p_path;
            -- Another that was woken may have ended the instance, or decided against this wait.
            if v_begins or v_run.status = 'waiting' then
                v_fence := df.fence(p_instance, p_epoch, p_incarnation, true, true);
                if v_fence <> 'ok' then
                    return v_fence;
                elsif p_within <> '{}' and df.decided_against(p_instance, p_within, p_turns) then
                    return 'DF003';
                end if;
            end if;
        end if;
    end if;
    if v_begins then
        v_due := coalesce(p_due, df.clock() + make_interval(secs => p_seconds));
        insert into df.node_runs (instance_id, run_path, status, epoch, due_at, signal_name, detail)
        values (p_instance, p_path, 'waiting', p_epoch, v_due, p_signal,
                case when p_within <> '{}' or p_ends is not null then
                    json_build_object('within', p_within, 'turns', p_turns, 'decides', p_decides, 'ends', p_ends) end)
        returning * into v_run;
        if p_checkpoints is not null then
            perform df.checkpoint(p_instance, p_epoch, p_checkpoints);
        end if;
        if v_left is not null then
            update df.signals s set consumed_at = clock_timestamp(), consumed_by = p_path
             where s.instance_id = p_instance and s.key = v_left
            returning df.signal_result(s.name, s.data) into v_result;
            perform df.end_wait(p_instance, p_path, v_result);
            v_run.status := 'completed';
        end if;
    end if;
    if v_run.status = 'waiting' and v_run.due_at <= df.clock() then
        perform df.end_wait(p_instance, p_path, p_result);
        v_run.status := 'completed';
    end if;
    if v_run.status = 'waiting' then
        return 'waiting';
    end if;
    if p_decides <> '{}' then
        perform df.decide(p_instance, p_epoch, p_within, p_turns, p_decides);
    end if;
    if p_ends is not null then
        perform df.end_instance(p_instance, p_ends, r.result, r.error, r.sqlstate, p_path)
           from df.node_runs r where r.instance_id = p_instance and r.run_path = p_path;
    end if;
    return 'ok';
end
$$;
ALTER FUNCTION df.record_wait(p_instance text, p_epoch bigint, p_incarnation uuid, p_path text, p_signal text, p_seconds double precision, p_due timestamp with time zone, p_result json, p_within text[], p_turns integer[], p_decides text[], p_checkpoints json, p_ends text) OWNER TO df_owner;
CREATE FUNCTION df.refuse(p_where text, p_fault text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if p_fault is not null then
    raise exception using errcode = '22023', message = format('%s: %s', p_where, p_fault);
  end if;
end
$$;
ALTER FUNCTION df.refuse(p_where text, p_fault text) OWNER TO df_owner;
CREATE FUNCTION df.refuse_bad_graph() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
ALTER FUNCTION df.refuse_bad_graph() OWNER TO df_owner;
CREATE FUNCTION df.refuse_inside_workflow(p_function text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if df.inside_workflow() then
        raise exception '% cannot be called inside a workflow', p_function using errcode = '55000';
    end if;
end
$$;
ALTER FUNCTION df.refuse_inside_workflow(p_function text) OWNER TO df_owner;
CREATE FUNCTION df.refuse_view_write() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    raise exception 'df.% is only read', tg_table_name using errcode = '42501';
end
$$;
ALTER FUNCTION df.refuse_view_write() OWNER TO df_owner;
CREATE FUNCTION df.regrant(p_role oid, p_http boolean, p_with_grant boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_grant record;
begin
    for v_grant in select g.privileges, g.object, r.rolname
                     from df.usage_grants() g join pg_roles r on r.oid = p_role
                    where g.needs = '' or (g.needs = 'http' and p_http) or (g.needs = 'admin' and p_with_grant)
                    order by g.ordinal loop
        execute format('grant %s on %s to %I%s', v_grant.privileges, v_grant.object, v_grant.rolname,
                       case when p_with_grant then ' with grant option' else '' end);
    end loop;
end
$$;
ALTER FUNCTION df.regrant(p_role oid, p_http boolean, p_with_grant boolean) OWNER TO df_owner;
CREATE FUNCTION df.relay_adopt() RETURNS text
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    insert into df.meta (key, value) values ('place', df.place())
    on conflict (key) do update set value = excluded.value
    returning value
$$;
ALTER FUNCTION df.relay_adopt() OWNER TO df_owner;
CREATE FUNCTION df.relay_bounds(p_incarnation uuid) RETURNS TABLE(bounds text, cost double precision)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_sort TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
declare
    v_began timestamptz := clock_timestamp();
    v_late  timestamptz := df.clock() - interval '5 seconds';
    v_runs  integer := (select r.runs_version from df.relays r where r.incarnation = df.relay_name(p_incarnation));
    v_all   json;
    v_event timestamptz;
begin
    with waiting as materialized (select * from df.waiting_roles(v_runs, null))
    select json_object_agg(k.role::oid::text, least(w.next_wake, v_late)) into v_all
      from (select g.role_oid::regrole as role from df.granted_roles g
            union select x.role from waiting x) k
      left join waiting w on w.role = k.role;
    select min(o.created_at) into v_event from df.outbox o
     where o.queued and o.parked_at is null;
    bounds := json_build_object('instances', coalesce(v_all, '{}'),
        'events', least(v_event, clock_timestamp() - interval '5 seconds'))::text;
    cost := extract(epoch from clock_timestamp() - v_began);
    return next;
end
$$;
ALTER FUNCTION df.relay_bounds(p_incarnation uuid) OWNER TO df_owner;
CREATE FUNCTION df.relay_claim(p_incarnation uuid, p_limit integer, p_bounds json DEFAULT NULL::json) RETURNS TABLE(instance_id text, epoch bigint, graph_id bigint, submitted_by oid, database text, label text, vars text, fresh boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_sort TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
declare
    v_name   uuid := df.relay_name(p_incarnation);
    v_runs   integer;
    v_shared boolean;
    v_ids    text[];
    v_starts text[];
begin
    -- A relay whose lease ran out, or that registered before the server restarted, must not own
    -- anything new.
    select r.runs_version,
           exists (select from df.relays o where o.incarnation <> v_name and o.lease_until > clock_timestamp())
      into v_runs, v_shared
      from df.relays r where r.incarnation = v_name and r.lease_until > clock_timestamp();
    if not found then
        return;
    end if;
    v_ids := df.claimable(v_name, p_limit, v_runs, v_shared, p_bounds);
    if v_ids = '{}' then
        return;
    end if;
    v_starts := array(select id || '/start' from unnest(v_ids) as id);
    update df.outbox o set delivered_at = clock_timestamp()
     where o.event_id = any (v_starts) and o.delivered_at is null;
    return query
        update df.instances i
           set owner = v_name, epoch = i.epoch + 1, status = 'running',
               updated_at = case when i.status = 'pending' then clock_timestamp() else i.updated_at end
         where i.id = any (v_ids)
        returning i.id, i.epoch, i.graph_id, i.submitted_by::oid, i.database, i.label::text, i.vars::text,
                  i.epoch = 1;
end
$$;
ALTER FUNCTION df.relay_claim(p_incarnation uuid, p_limit integer, p_bounds json) OWNER TO df_owner;
CREATE FUNCTION df.relay_clock() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return (extract(epoch from df.clock()) * 1000)::bigint;
end
$$;
ALTER FUNCTION df.relay_clock() OWNER TO df_owner;
CREATE FUNCTION df.relay_deliver(p_incarnation uuid, p_limit integer, p_bounds json DEFAULT NULL::json) RETURNS TABLE(kind text, instance_id text, woken text[])
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_sort TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
declare
    v_name  uuid := df.relay_name(p_incarnation);
    v_done  text[] := '{}';
    v_inst  record;
    v_event record;
    v_signals integer;
    v_pending text[];
begin
    for v_inst in
        -- Event by event, in the order of the index that knows the bound; an instance once for each.
        select i.id, i.owner, i.status, i.ended_at, i.paused_at
          from (select o.instance_id from df.outbox o
                 where o.queued and o.parked_at is null
                   and o.created_at >= coalesce((p_bounds ->> 'events')::timestamptz, '-infinity')
                   and (o.retry_at is null or o.retry_at <= clock_timestamp())
                 order by o.created_at offset 0) e
          join df.instances i on i.id = e.instance_id
         where i.owner = v_name or i.owner is null
         limit p_limit for no key update of i skip locked
    loop
        continue when v_inst.id = any (v_done);
        v_done := v_done || v_inst.id;
        instance_id := v_inst.id;
        v_signals := 0;
        for v_event in
            select o.event_id, o.kind, s.key, s.name, s.created_at, s.consumed_at is not null as is_consumed
              from df.outbox o
              -- Each by its whole key (offset 0): where statistics say that an instance has few signals, a join reads all that
              -- this one has for each of its events.
              left join lateral (select * from df.signals a
                                  where a.instance_id = v_inst.id and a.key = o.key offset 0) s on true
             where o.instance_id = v_inst.id and o.queued
               -- Said so that the index of what is to be delivered cannot serve: statistics from a quiet time promise
               -- that there is nothing in it, and each instance would read all of it.
               and coalesce(o.parked_at, 'infinity') = 'infinity'
             order by s.n nulls first, o.created_at, o.event_id limit p_limit
        loop
            begin
                kind := v_event.kind;
                woken := null;
                if v_inst.ended_at is null and v_event.kind = 'signal' then
                    v_signals := v_signals + 1;
                    if v_event.is_consumed then
                        woken := df.woken_since(v_inst.id, v_event.name, v_event.created_at);
                    else
                        -- Of many signals all but the first are looked up only where somebody waits for their name.
                        if v_signals = 2 then
                            v_pending := df.pending_signals(v_inst.id);
                        end if;
                        if v_signals = 1 or v_event.name = any (v_pending) then
                            woken := df.hand_signal(v_inst.id, v_event.key);
                            v_pending := array_remove(v_pending, v_event.name);
                        end if;
                    end if;
                    if v_inst.owner is null and woken <> '{}' then
                        update df.instances i set wake_at = df.clock()
                         where i.id = v_inst.id and i.wake_at > df.clock() and i.ended_at is null;
                    end if;
                end if;
                update df.outbox o set delivered_at = clock_timestamp(), queued = false
                 where o.event_id = v_event.event_id;
                if v_event.kind = 'pause' and v_inst.paused_at is null
                   or v_event.kind = 'resume' and v_inst.paused_at is not null then
                    kind := 'overtaken';
                end if;
                return next;
            exception when others then
                perform df.postpone_event(v_event.event_id, sqlerrm);
            end;
        end loop;
        if v_inst.ended_at is not null then
            -- One that was cancelled before any relay claimed it never had its start delivered.
            update df.outbox o set delivered_at = clock_timestamp()
             where o.event_id = v_inst.id || '/start' and o.delivered_at is null;
            if v_inst.status = 'cancelled' then
                perform df.end_intents(v_inst.id, v_inst.ended_at);
            end if;
        end if;
        if v_inst.ended_at is not null and v_inst.owner is not null then
            update df.instances i set owner = null where i.id = v_inst.id;
        end if;
    end loop;
end
$$;
ALTER FUNCTION df.relay_deliver(p_incarnation uuid, p_limit integer, p_bounds json) OWNER TO df_owner;
CREATE FUNCTION df.relay_doctor() RETURNS TABLE(topic text, well boolean, finding text, mend text)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    with starts as (
        -- Who may start workflows, as the tables say: a dump has that, and what its roles were called, and not their OIDs.
        select distinct a.grantee as role_oid
          from pg_attribute t, aclexplode(t.attacl) a join pg_roles r on r.oid = a.grantee
         where t.attrelid = 'df.instances'::regclass and a.privilege_type = 'INSERT'
           and r.rolname not in ('df_owner', 'df_admin', 'df_relay')
           and (not r.rolsuper or df.setting('allow_superuser_instances') = 'true')
    ), granted as (
        select g.role_oid, coalesce(g.login, df.step_login_name(g.role_oid)) as login, r.rolname as role_name, r.rolcanlogin,
               l.oid as login_oid, l.rolcanlogin as login_can, l.rolinherit, l.rolvaliduntil,
               array(select m.roleid from pg_auth_members m where m.member = l.oid) as member_of,
               exists (select from pg_db_role_setting s where s.setrole = l.oid and s.setdatabase = 0
                          and 'role=' || r.rolname = any (s.setconfig)) as acts_as_role
          from (select coalesce(k.role_oid, s.role_oid) as role_oid, k.login
                  from df.granted_roles k full join starts s on s.role_oid = k.role_oid
                 -- What a copy brought along of its original's roles, whose OIDs are nobody's here, or somebody else's.
                 where s.role_oid is not null or k.login = df.step_login_name(k.role_oid)) g
          left join pg_roles r on r.oid = g.role_oid
          left join pg_roles l on l.rolname = g.login
         -- Of a role that is gone its login is all that is left to mend.
         where r.oid is not null or l.oid is not null
    ), login_fault as (
        select g.*, case
                   when g.role_name is null then 'its role was dropped'
                   when g.login <> df.step_login_name(g.role_oid) then 'it belongs to the database that this one is a copy of'
                   when g.login_oid is null then 'it does not exist'
                   when not g.login_can then 'it may not log in'
                   when g.rolinherit then 'it inherits the rights of its role'
                   when g.rolvaliduntil < now() then 'its password has expired'
                   when g.member_of is distinct from array[g.role_oid] then 'it is not a member of its role alone'
                   when not g.acts_as_role then 'its sessions do not begin as its role'
               end as fault
          from granted g
    ), elsewhere as (
        select distinct i.database, g.login
          from df.instances i join granted g on g.role_oid = i.submitted_by::oid
         where i.status in ('pending', 'running') and i.database is not null
    ), relay as (
        select count(*) filter (where r.lease_until > clock_timestamp()) as live,
               count(*) filter (where r.lease_until <= clock_timestamp()) as gone,
               max(r.heartbeat_at) as seen from df.relays r
    ), relay_role as (
        select r.rolname, r.rolsuper, r.rolcanlogin, l.is_let_in,
               case when not l.is_let_in then format('connect to database %s', current_database())
                    when not has_schema_privilege(r.oid, 'df', 'usage') then 'use the schema df'
                    else (select 'execute ' || string_agg(p.oid::regprocedure::text, ', ' order by p.proname) from pg_proc p
                           where p.pronamespace = 'df'::regnamespace and starts_with(p.proname, 'relay_')
                             and not has_function_privilege(r.oid, p.oid, 'execute')) end as lacks
          from pg_roles r, has_database_privilege(r.oid, current_database(), 'connect') as l(is_let_in)
         where r.rolname = 'df_relay'
    ), waiting as (
        select count(*) as due, min(w.wake_at) as since from (
            select i.wake_at from df.instances i
             where i.owner is null and i.ended_at is null and i.paused_at is null
               and i.wake_at < (select df.clock() - interval '1 minute') limit 100000) w
    )
    select 'server version', v.n between 140000 and 189999,
           format('PostgreSQL %s', current_setting('server_version')),
           case when v.n < 140000 then 'Upgrade to PostgreSQL 14 or newer.'
                when v.n > 189999 then 'This release was tried on PostgreSQL 14 to 18.' end
      from (select current_setting('server_version_num')::integer) as v(n)
    union all
    select 'roles', coalesce(not o.rolsuper and r.rolcanlogin and not r.rolsuper and r.lacks is null, false),
           case when o.rolsuper then 'df_owner is a superuser: its functions would be, too'
                when r.rolname is null then 'the role df_relay is missing'
                when r.rolsuper then 'df_relay is a superuser'
                when not r.rolcanlogin then 'df_relay may not log in'
                when r.lacks is not null then 'df_relay may not ' || r.lacks else 'df_owner and df_relay are as they should be' end,
           case when o.rolsuper then 'ALTER ROLE df_owner NOSUPERUSER;'
                when r.rolname is null then 'Run df-relay install again.'
                when r.rolsuper then 'ALTER ROLE df_relay NOSUPERUSER;'
                when not r.rolcanlogin then 'ALTER ROLE df_relay LOGIN;'
                when not r.is_let_in then format('GRANT CONNECT ON DATABASE %I TO df_relay;', current_database())
                when r.lacks is not null then 'Run df-relay install again.' end
      from pg_roles o left join relay_role r on true where o.rolname = 'df_owner'
    union all
    select 'place', m.value = here.place,
           case when m.value = here.place then 'relays run on this database, and not on what it may be a copy of'
                else format('this is a copy of a database: relays ran on it at %s, and this is %s', m.value, here.place) end,
           case when m.value <> here.place then 'Run df-relay adopt, once this copy is to be the one that relays run on.' end
      from df.meta m, (select df.place() as place) here where m.key = 'place'
    union all
    select 'step logins', false, format('step login %s of role %s: %s', f.login, coalesce(f.role_name, f.role_oid::text), f.fault),
           case when f.role_name is null then format('DROP ROLE IF EXISTS %I;', f.login)
                when f.login_oid is null or f.login <> df.step_login_name(f.role_oid) then
                    format('SELECT df.grant_usage(%L);', f.role_name)
                when not f.login_can then format('ALTER ROLE %I LOGIN;', f.login)
                when f.rolinherit then format('ALTER ROLE %I NOINHERIT;', f.login)
                when f.rolvaliduntil < now() then format('ALTER ROLE %I VALID UNTIL ''infinity'';', f.login)
                when f.member_of = array[f.role_oid] then format('ALTER ROLE %I SET role = %I;', f.login, f.role_name)
                else format('SELECT df.revoke_usage(%L); SELECT df.grant_usage(%L);', f.role_name, f.role_name) end
      from login_fault f where f.fault is not null
    union all
    select 'step logins', true, format('%s granted, each with its own', count(*)), null
      from login_fault f having count(f.fault) = 0
    union all
    -- Of one that was dropped, the pass that removes what has expired fails the workflows.
    select 'step logins', false, format('role %s is not granted any more, and its workflows wait', r.rolname),
           format('SELECT df.grant_usage(%L);', r.rolname)
      from pg_roles r
     where not exists (select from granted g where g.role_oid = r.oid)
       -- Looked up for each role: there may be millions that wait.
       and exists (select from df.instances i where i.submitted_by = r.oid and i.status in ('pending', 'running'))
    union all
    select 'other databases', false, format('%s may not connect to database %s', e.login, e.database),
           format('GRANT CONNECT ON DATABASE %I TO %I;', e.database, e.login)
      from elsewhere e join pg_database d on d.datname = e.database
     where not has_database_privilege(e.login, d.oid, 'connect')
    union all
    select 'other databases', false, format('database %s does not exist, and instances wait for it', e.database), null
      from elsewhere e where not exists (select from pg_database d where d.datname = e.database)
    union all
    select 'relays', r.live > 0,
           case when r.live > 0 then format('%s with a lease that holds', r.live)
                else 'none has a lease that holds' || coalesce('; one was last seen at ' || r.seen, '') end,
           case when r.live = 0 then 'Start one: df-relay run --database-url …' end
      from relay r
    union all
    select 'relays', false, format('%s ended without handing over', r.gone),
           'Nothing to do: a running relay takes its instances over within its next pass.'
      from relay r where r.gone > 0 and r.live > 0
    union all
    select 'queue', w.due = 0 or r.live = 0,
           case when w.due = 0 then 'nothing has waited for a relay for a minute'
                else format('%s instances have waited for a relay since %s', w.due, w.since) end,
           case when w.due > 0 and r.live > 0 then 'Start more relays, or raise --step-connections.'
                when w.due > 0 then 'Start a relay.' end
      from waiting w, relay r
    union all
    (select 'parked events', false, format('%s could not be delivered: %s', o.event_id, left(o.last_error, 300)),
           format('SELECT df.release(%L);', o.event_id)
      from df.outbox o where o.parked_at is not null order by o.parked_at limit 20)
    union all
    select 'durability', false, format('%s is off: a crash of the server may lose or damage what was recorded', s.name),
           format('ALTER SYSTEM SET %s = on;', s.name)
      from pg_settings s where s.name in ('fsync', 'full_page_writes') and s.setting = 'off'
$$;
ALTER FUNCTION df.relay_doctor() OWNER TO df_owner;
CREATE FUNCTION df.relay_fail(p_incarnation uuid, p_instance text, p_epoch bigint, p_error text, p_sqlstate text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_fence text := df.fence(p_instance, p_epoch, p_incarnation, true, true);
begin
    if v_fence <> 'ok' then
        return case when v_fence <> 'busy' then false end;
    end if;
    perform df.end_instance(p_instance, 'failed', null, p_error, p_sqlstate, 'root');
    return true;
end
$$;
ALTER FUNCTION df.relay_fail(p_incarnation uuid, p_instance text, p_epoch bigint, p_error text, p_sqlstate text) OWNER TO df_owner;
CREATE FUNCTION df.relay_graph(p_graph_id bigint, p_owner oid) RETURNS TABLE(graph text, hash bytea)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
    return query
    select g.graph, g.hash from df.graphs g where g.id = p_graph_id and g.owner::oid = p_owner;
end
$$;
ALTER FUNCTION df.relay_graph(p_graph_id bigint, p_owner oid) OWNER TO df_owner;
CREATE FUNCTION df.relay_has_doomed_graphs() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ select exists (select from df.graphs g where g.doomed_xid is not null) $$;
ALTER FUNCTION df.relay_has_doomed_graphs() OWNER TO df_owner;
CREATE FUNCTION df.relay_health(p_incarnation uuid) RETURNS TABLE(undelivered bigint, oldest_undelivered_seconds double precision, parked bigint, due bigint, oldest_due_seconds double precision, claimed bigint, relays bigint, lease_left_seconds double precision, heartbeat_age_seconds double precision)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    AS $$
    with me as (select df.relay_name(p_incarnation) as name), due as (
        -- Role by role, so that what only waits is not read, however much it is.
        select d.* from df.waiting_roles(2147483647) r, lateral (
               select i.created_at, i.wake_at, i.epoch from df.instances i
                where i.submitted_by = r.role and i.owner is null and i.ended_at is null
                  and i.paused_at is null and i.wake_at <= (select df.clock())
                order by i.wake_at limit 100000) d
         limit 100000
    ), waiting as (
        select d.created_at from due d where d.epoch = 0
        union all
        (select o.created_at from df.outbox o
          where o.queued and o.parked_at is null limit 100000))
    select (select count(*) from waiting),
           coalesce((select extract(epoch from clock_timestamp() - min(w.created_at)) from waiting w), 0),
           (select count(*) from (select from df.outbox o where o.parked_at is not null limit 100000) p),
           (select count(*) from due),
           coalesce((select extract(epoch from df.clock() - min(d.wake_at)) from due d), 0),
           (select count(*) from df.instances i where i.owner = (select n.name from me n)),
           count(*) filter (where r.lease_until > clock_timestamp()),
           coalesce(extract(epoch from max(r.lease_until) filter (where r.incarnation = (select n.name from me n))
                                        - clock_timestamp()), 0),
           coalesce(extract(epoch from clock_timestamp()
                                        - max(r.heartbeat_at) filter (where r.incarnation = (select n.name from me n))), 0)
      from df.relays r
$$;
ALTER FUNCTION df.relay_health(p_incarnation uuid) OWNER TO df_owner;
CREATE FUNCTION df.relay_heartbeat(p_incarnation uuid, p_lease_seconds double precision) RETURNS TABLE(alive boolean, server_started text, timeline bigint, wal_position bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    update df.relays r
       set heartbeat_at = clock_timestamp(),
           lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds)
     where r.incarnation = df.relay_name(p_incarnation) and r.lease_until > clock_timestamp();
    return query
        select found, pg_postmaster_start_time()::text,
               ('x' || lpad(left(pg_walfile_name(pg_current_wal_lsn()), 8), 16, '0'))::bit(64)::bigint,
               (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint;
end
$$;
ALTER FUNCTION df.relay_heartbeat(p_incarnation uuid, p_lease_seconds double precision) OWNER TO df_owner;
CREATE FUNCTION df.relay_identify() RETURNS TABLE(ours boolean, first_run_at text, here text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    insert into df.meta (key, value) values ('place', df.place()) on conflict (key) do nothing;
    return query select m.value = df.place(), m.value, df.place() from df.meta m where m.key = 'place';
end
$$;
ALTER FUNCTION df.relay_identify() OWNER TO df_owner;
CREATE FUNCTION df.relay_login(p_role oid, p_database text) RETURNS TABLE(role_name name, login name, password text, settings text[], database_exists boolean)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select r.rolname, case when not v.withheld then g.login end, case when not v.withheld then g.password end,
           array(select c.setting
                   from pg_db_role_setting s
                   left join pg_database d on d.oid = s.setdatabase,
                        unnest(s.setconfig) as c(setting)
                  where s.setrole = p_role
                    and (s.setdatabase = 0 or d.datname = coalesce(p_database, current_database()))
                    and split_part(c.setting, '=', 1) not in
                        ('role', 'session_authorization', 'client_encoding')
                    and (split_part(c.setting, '=', 1) like '%.%'
                         or exists (select from pg_settings g where g.context = 'user'
                                       and lower(g.name) = lower(split_part(c.setting, '=', 1))))
                  order by s.setdatabase),
           p_database is null or exists (select from pg_database d
                                          where d.datname = p_database and d.datallowconn)
      -- A copied database still names the original's login.
      from pg_roles r
           left join df.granted_roles g on g.role_oid = r.oid and g.login = df.step_login_name(r.oid),
           lateral (select r.rolsuper and df.setting('allow_superuser_instances') <> 'true' as withheld) v
     where r.oid = p_role
$$;
ALTER FUNCTION df.relay_login(p_role oid, p_database text) OWNER TO df_owner;
CREATE FUNCTION df.relay_look(p_incarnation uuid, p_bounds json DEFAULT NULL::json) RETURNS TABLE(work boolean, next_wake double precision)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_sort TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
declare
    v_name uuid := df.relay_name(p_incarnation);
begin
    return query
    -- The events apart (offset 0), or they would be sought from the instances; in the order of the index
    -- that knows the bound.
    select coalesce(w.seconds <= 0, false)
           or exists (select from (
                  select o.instance_id from df.outbox o
                   where o.queued and o.parked_at is null
                     and o.created_at >= coalesce((p_bounds ->> 'events')::timestamptz, '-infinity')
                     and (o.retry_at is null or o.retry_at <= clock_timestamp())
                   order by o.created_at offset 0) e join df.instances i on i.id = e.instance_id
                       where i.owner = v_name or i.owner is null),
           w.seconds
      from (select extract(epoch from min(r.next_wake) - df.clock())::double precision as seconds
              from df.waiting_roles((select l.runs_version from df.relays l
                                      where l.incarnation = v_name), p_bounds) as r
             where r.next_wake < 'infinity') as w;
end
$$;
ALTER FUNCTION df.relay_look(p_incarnation uuid, p_bounds json) OWNER TO df_owner;
CREATE FUNCTION df.relay_may_http(p_role oid, p_multipart boolean) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select coalesce(has_function_privilege(p_role,
        case when p_multipart then 'df.http_multipart(text,text,jsonb,jsonb,integer)'
             else 'df.http(text,text,text,jsonb,integer)' end, 'execute'), false)
$$;
ALTER FUNCTION df.relay_may_http(p_role oid, p_multipart boolean) OWNER TO df_owner;
CREATE FUNCTION df.relay_name(p_incarnation uuid) RETURNS uuid
    LANGUAGE sql IMMUTABLE
    AS $$
    select (pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.uuid_send(p_incarnation)), 'hex'), 20)
            operator(pg_catalog.||) df.server_run())::pg_catalog.uuid
$$;
ALTER FUNCTION df.relay_name(p_incarnation uuid) OWNER TO df_owner;
CREATE FUNCTION df.relay_owned(p_incarnation uuid) RETURNS TABLE(instance_id text, epoch bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
begin
    return query
    select i.id, i.epoch from df.instances i where i.owner = (select df.relay_name(p_incarnation));
end
$$;
ALTER FUNCTION df.relay_owned(p_incarnation uuid) OWNER TO df_owner;
CREATE FUNCTION df.relay_park(p_incarnation uuid, p_entries json) RETURNS TABLE(instance_id text, busy boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
declare
    v_name uuid := df.relay_name(p_incarnation);
    -- Lists, so that instances are found by their keys, and not read through to be compared with the entries.
    v_all  text[] := array(select x.instance from json_to_recordset(p_entries) as x(instance text));
    v_ids  text[] := array(
        select i.id from df.instances i where i.id = any (v_all) order by i.id for no key update skip locked);
begin
    return query
        update df.instances i
           set owner = null,
               wake_at = case when w.delay is not null then df.clock() + make_interval(secs => w.delay)
                              -- Never in the past, where a scan may not start any more.
                              when w.pending = w.expected then greatest(coalesce(w.due, 'infinity'), df.clock())
                              else df.clock() end
          from (select x.instance, x.epoch, x.delay, cardinality(x.waits) as expected, r.pending, r.due
                  from json_to_recordset(p_entries)
                       as x(instance text, epoch bigint, waits text[], delay double precision),
                       -- Entry by entry: as a join it may be read from the runs.
                       lateral (select count(*) as pending, min(n.due_at) as due from df.node_runs n
                                 where n.instance_id = x.instance and n.run_path = any (x.waits)
                                   and n.status = 'waiting') as r) as w
         where i.id = w.instance and i.id = any (v_ids) and i.epoch = w.epoch
           -- As in df.may_write, where no index can serve.
           and coalesce(i.owner = v_name, false) and i.ended_at is null
        returning i.id, false;
    return query
        select i.id, true
          from json_to_recordset(p_entries) as x(instance text, epoch bigint)
          join df.instances i on i.id = x.instance
         where i.id = any (v_all) and i.id <> all (v_ids) and i.epoch = x.epoch and coalesce(i.owner = v_name, false)
           and i.ended_at is null;
end
$$;
ALTER FUNCTION df.relay_park(p_incarnation uuid, p_entries json) OWNER TO df_owner;
CREATE FUNCTION df.relay_reconcile(p_part text, p_limit integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return case p_part
        when 'expired instances' then df.remove_expired(p_limit)
        when 'orphaned events' then df.remove_orphans(p_limit)
        when 'taken signals' then df.remove_taken_signals(p_limit)
        when 'instances of dropped roles' then df.fail_roleless(p_limit)
        when 'graphs' then df.remove_graphs()
    end;
end
$$;
ALTER FUNCTION df.relay_reconcile(p_part text, p_limit integer) OWNER TO df_owner;
CREATE FUNCTION df.relay_record(p_entries json) RETURNS TABLE(idx integer, outcome text, status text, turn integer, remaining_seconds double precision, result text, error text, sqlstate text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
declare
    e record;
    r df.node_runs%rowtype;
begin
    for e in
        -- json_to_record would read JSON's null, which is a result, as no result.
        select x.ordinality::integer - 1 as idx, x.entry -> 'result' as result, y.*
          from json_array_elements(p_entries) with ordinality as x(entry, ordinality),
               json_to_record(x.entry) as y(op text, incarnation uuid, instance text, epoch bigint, path text,
                   status text, error text, sqlstate text, attempt integer, turn integer,
                   within text[], turns integer[], decides text[], checkpoints json, ends text,
                   signal text, seconds double precision, due timestamptz)
    loop
        idx := e.idx;
        status := null; turn := null; remaining_seconds := null;
        result := null; error := null; sqlstate := null;
        if e.op = 'run' then
            outcome := df.record_run(e.instance, e.epoch, e.incarnation, e.path, e.status, e.result,
                e.error, e.sqlstate, e.attempt, e.turn, e.within, e.turns, e.decides,
                e.checkpoints, e.ends, true);
        elsif e.op = 'wait' then
            outcome := df.record_wait(e.instance, e.epoch, e.incarnation, e.path, e.signal, e.seconds,
                e.due, e.result, e.within, e.turns, e.decides, e.checkpoints, e.ends);
        elsif e.op = 'retry' then
            outcome := df.record_retry(e.instance, e.epoch, e.incarnation, e.path, e.attempt, e.seconds,
                e.error, e.sqlstate, e.within, e.turns, e.checkpoints);
        elsif e.op = 'timer' then
            outcome := df.record_timer(e.instance, e.epoch, e.incarnation, e.path, e.seconds, e.error,
                e.within, e.turns, e.decides, e.ends);
        elsif e.op = 'look' then
            outcome := case when exists (select from df.node_runs n
                                          where n.instance_id = e.instance and n.run_path = e.path)
                            then 'exists' else 'DF003' end;
        else
            outcome := df.record_settle(e.instance, e.epoch, e.incarnation, e.result, e.error,
                e.sqlstate, e.path, e.within, e.turns, e.decides, e.ends);
        end if;
        if outcome in ('exists', 'waiting') or (outcome = 'ok' and e.op = 'wait') then
            select * into r from df.node_runs n
             where n.instance_id = e.instance
               and n.run_path = e.path || case when e.op = 'timer' then '.timeout.due' else '' end;
            status := r.status; turn := r.turn; error := r.error; sqlstate := r.sqlstate;
            result := r.result::text;
            remaining_seconds := extract(epoch from r.due_at - df.clock());
        end if;
        return next;
    end loop;
end
$$;
ALTER FUNCTION df.relay_record(p_entries json) OWNER TO df_owner;
CREATE FUNCTION df.relay_recorded(p_incarnation uuid, p_instances text[]) RETURNS TABLE(instance_id text, run_path text, status text, turn integer, attempt integer, asks boolean, result text, error text, sqlstate text, detail text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
#variable_conflict use_column
begin
    return query
    select r.instance_id, r.run_path, r.status::text, r.turn, r.attempt,
           r.status = 'completed' and r.run_path like E'%condition\\_node%',
           case when r.status = 'completed' and r.run_path like E'%condition\\_node%'
                     and octet_length(r.result::text) <= 65536 then r.result::text end,
           r.error, r.sqlstate, case when r.status = 'checkpoint' then r.detail::text end
      from df.node_runs r
     where r.instance_id = any (p_instances);
end
$$;
ALTER FUNCTION df.relay_recorded(p_incarnation uuid, p_instances text[]) OWNER TO df_owner;
CREATE FUNCTION df.relay_register(p_version text, p_lease_seconds double precision, p_poll_interval_ms integer, p_runs_version integer DEFAULT 1) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_incarnation uuid := left(gen_random_uuid()::text, 24) || df.server_run();
begin
    if exists (select from df.meta m where m.key = 'place' and m.value <> df.place()) then
        raise exception 'this database is a copy of the one that relays ran on'
            using errcode = '55000', hint = 'df-relay adopt makes it the one to run.';
    end if;
    insert into df.relays (incarnation, version, runs_version, lease_until, poll_interval_ms)
    values (df.relay_name(v_incarnation), p_version, p_runs_version,
            clock_timestamp() + make_interval(secs => p_lease_seconds), p_poll_interval_ms);
    return v_incarnation;
end
$$;
ALTER FUNCTION df.relay_register(p_version text, p_lease_seconds double precision, p_poll_interval_ms integer, p_runs_version integer) OWNER TO df_owner;
CREATE FUNCTION df.relay_release(p_incarnation uuid) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_name  uuid := df.relay_name(p_incarnation);
    v_freed integer;
begin
    with mine as (
        select i.id from df.instances i where i.owner = v_name
         order by i.id for update skip locked)
    update df.instances i set owner = null, wake_at = df.clock() from mine where i.id = mine.id;
    get diagnostics v_freed = row_count;
    -- Rows that somebody held are taken over as soon as they are free.
    update df.relays r set lease_until = clock_timestamp() where r.incarnation = v_name;
    delete from df.relays r where r.incarnation = v_name
       and not exists (select from df.instances i where i.owner = v_name);
    if v_freed > 0 then
        perform pg_notify('df_relay', '');
    end if;
    -- Once no relay is left callers notify nobody: commits that do share a lock. Looked for only afterwards, so
    -- that one which has registered meanwhile, and may sleep by now, is not passed by.
    if pg_sequence_last_value('df.relay_idle') = 2 then
        perform df.relay_set_idle(false);
        if exists (select from df.relays r where r.lease_until > clock_timestamp()) then
            perform df.relay_set_idle(true);
        end if;
    end if;
    return v_freed;
end
$$;
ALTER FUNCTION df.relay_release(p_incarnation uuid) OWNER TO df_owner;
CREATE FUNCTION df.relay_replay(p_instances text[], p_after text, p_limit integer) RETURNS TABLE(event_id text, kind text, outcome text, changed boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_event record;
begin
    for v_event in
        select o.event_id, o.kind, o.key, o.instance_id, o.submitted_by, i.status, i.epoch,
               i.id is not null as has_instance
          from (select a.* from df.outbox a where p_instances is null
                union all
                -- A range of the primary key: nothing else leads to one instance's delivered events. For each by itself
                -- (limit): a join is estimated to find a part of the table, and reads it from its beginning at every batch.
                select a.* from (select distinct unnest(p_instances)) as w(id), lateral (
                    select b.* from df.outbox b
                     where b.event_id > w.id || '/' and b.event_id < w.id || '0' and b.event_id > p_after
                     order by b.event_id limit p_limit) a) o
          left join df.instances i on i.id = o.instance_id
         where o.event_id > p_after
         order by o.event_id limit p_limit
    loop
        event_id := v_event.event_id;
        kind := v_event.kind;
        changed := false;
        outcome := case
            when not v_event.has_instance then 'its instance has been removed'
            when kind = 'start' and v_event.epoch > 0 then 'started already'
            when kind = 'start' and v_event.status in ('pending', 'running') then 'waits for a relay'
            when kind = 'start' then 'ended before it was started'
            when kind = 'cancel' and v_event.status in ('completed', 'failed', 'cancelled')
                then 'ended already as ' || v_event.status
            when kind = 'cancel' then 'refused: its sender may not cancel the instance'
            when kind <> 'signal' then 'applied when it was sent'
        end;
        if outcome is null then
            select r.outcome, r.changed into outcome, changed
              from df.replay_signal(v_event.instance_id, v_event.key) as r;
        end if;
        return next;
    end loop;
end
$$;
ALTER FUNCTION df.relay_replay(p_instances text[], p_after text, p_limit integer) OWNER TO df_owner;
CREATE FUNCTION df.relay_results(p_instance text, p_paths text[], p_enough_bytes bigint DEFAULT NULL::bigint) RETURNS TABLE(run_path text, result text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_run   record;
    v_bytes bigint := 0;
begin
    for v_run in
        select r.run_path, r.result from df.node_runs r
         where r.instance_id = p_instance and r.run_path = any (p_paths)
    loop
        run_path := v_run.run_path;
        result := v_run.result::text;
        return next;
        v_bytes := v_bytes + coalesce(octet_length(result), 0);
        exit when v_bytes > p_enough_bytes;
    end loop;
end
$$;
ALTER FUNCTION df.relay_results(p_instance text, p_paths text[], p_enough_bytes bigint) OWNER TO df_owner;
CREATE FUNCTION df.relay_set_idle(p_idle boolean) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ select setval('df.relay_idle', case when p_idle then 2 else 1 end) $$;
ALTER FUNCTION df.relay_set_idle(p_idle boolean) OWNER TO df_owner;
CREATE FUNCTION df.relay_settings() RETURNS TABLE(name text, value text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ select s.name, coalesce(s.value, s.default_value) from df.setting_values s $$;
ALTER FUNCTION df.relay_settings() OWNER TO df_owner;
CREATE FUNCTION df.relay_status() RETURNS json
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    AS $$
    with relay as (
        select r.incarnation, r.version, r.started_at, r.heartbeat_at,
               r.lease_until > clock_timestamp() as live,
               (select count(*) from df.instances i where i.owner = r.incarnation) as instances
          from df.relays r order by r.started_at
    ), health as (
        select * from df.relay_health(null)
    ), stuck as (
        -- What ought to move and has not for a minute.
        select i.id, i.label, i.wake_at, i.owner, count(*) over () as among
          from df.instances i
         where i.status in ('pending', 'running') and i.paused_at is null
           and (i.owner is null and i.wake_at < (select df.clock() - interval '1 minute')
                or i.owner is not null and not exists (
                   select from relay r where r.incarnation = i.owner and r.live))
         order by i.wake_at limit 20)
    select json_build_object(
        'database', current_database(),
        'time', clock_timestamp(),
        'relays', coalesce((select json_agg(r) from relay r), '[]'),
        'instances', (select json_build_object(
            'unclaimed', count(*) filter (where i.owner is null and i.paused_at is null and i.wake_at <= (select df.clock())),
            'running', count(*) filter (where i.owner is not null),
            'waiting', count(*) filter (where i.owner is null and i.paused_at is null and i.wake_at > (select df.clock())),
            'paused', count(*) filter (where i.paused_at is not null))
            from df.instances i where i.status in ('pending', 'running')),
        'ended_last_day', (select json_build_object(
            'completed', count(*) filter (where i.status = 'completed'),
            'failed', count(*) filter (where i.status = 'failed'),
            'cancelled', count(*) filter (where i.status = 'cancelled'))
            from df.instances i where i.ended_at > (select clock_timestamp() - interval '1 day')),
        'undelivered', (select h.undelivered from health h),
        'oldest_undelivered_seconds', (select round(h.oldest_undelivered_seconds::numeric, 1) from health h),
        'parked', (select h.parked from health h),
        'parked_events', coalesce((select json_agg(json_build_object('event_id', p.event_id, 'error', p.last_error))
                                     from (select o.event_id, o.last_error from df.outbox o
                                            where o.parked_at is not null order by o.parked_at limit 20) p), '[]'),
        'stuck_count', coalesce((select max(s.among) from stuck s), 0),
        'stuck', coalesce((select json_agg(json_build_object('id', s.id, 'label', s.label, 'since', s.wake_at,
                           'why', case when s.owner is null then 'no relay has claimed it'
                                       else 'its relay is gone and none has taken it over' end)) from stuck s), '[]'))
$$;
ALTER FUNCTION df.relay_status() OWNER TO df_owner;
CREATE FUNCTION df.relay_take_over(p_limit integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_freed integer;
begin
    with lost as (
        select i.id from df.instances i
         where i.owner is not null
           and not exists (select from df.relays r
                            where r.incarnation = i.owner and r.lease_until > clock_timestamp()
                              and df.is_of_this_server_run(r.incarnation))
         order by i.id limit p_limit for update of i skip locked)
    update df.instances i set owner = null, wake_at = df.clock(), epoch = i.epoch + 1
      from lost where i.id = lost.id;
    get diagnostics v_freed = row_count;
    delete from df.relays r
     where (r.lease_until <= clock_timestamp() or not df.is_of_this_server_run(r.incarnation))
       and not exists (select from df.instances i where i.owner = r.incarnation);
    return v_freed;
end
$$;
ALTER FUNCTION df.relay_take_over(p_limit integer) OWNER TO df_owner;
CREATE FUNCTION df.relay_vacuum_horizon() RETURNS TABLE(topic text, well boolean, finding text, mend text)
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    with holder as (
        select a.pid, a.usename, a.state, a.xact_start, a.application_name,
               greatest(age(a.backend_xmin), age(a.backend_xid)) as behind
          from pg_stat_activity a
         where a.xact_start < clock_timestamp() - interval '15 minutes' and a.pid <> pg_backend_pid()
           and coalesce(a.backend_xmin, a.backend_xid) is not null and a.backend_type = 'client backend'
    ), prepared as (
        select p.gid, p.prepared from pg_prepared_xacts p where p.prepared < clock_timestamp() - interval '15 minutes'
    ), slot as (
        select s.slot_name, age(s.xmin) as behind from pg_replication_slots s
         where not s.active and s.xmin is not null
    ), fault as (
        select format('backend %s of %s (%s) has had a transaction open since %s: no dead row since then can be removed',
                      h.pid, h.usename, h.state, h.xact_start) as finding,
               format('SELECT pg_terminate_backend(%s);', h.pid) as mend from holder h
        union all
        select format('prepared transaction %L is open since %s', p.gid, p.prepared), format('ROLLBACK PREPARED %L;', p.gid) from prepared p
        union all
        select format('the inactive replication slot %s holds back vacuum by %s transactions', s.slot_name, s.behind),
               format('SELECT pg_drop_replication_slot(%L);', s.slot_name) from slot s)
    select 'vacuum', false, f.finding, f.mend from fault f
    union all
    select 'vacuum', true, case when pg_has_role('pg_read_all_stats', 'usage') then 'no transaction is older than 15 minutes'
                                else 'no transaction that this role can see is older than 15 minutes' end, null
     where not exists (select from fault)
$$;
ALTER FUNCTION df.relay_vacuum_horizon() OWNER TO df_owner;
CREATE FUNCTION df.relays_seen(p_owner uuid, OUT live integer, OUT last_seen timestamp with time zone, OUT owner_live boolean, OUT owner_lease_until timestamp with time zone) RETURNS record
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select count(*) filter (where r.lease_until > clock_timestamp())::integer, max(r.heartbeat_at),
           coalesce(bool_or(r.incarnation = p_owner and r.lease_until > clock_timestamp()), false),
           max(r.lease_until) filter (where r.incarnation = p_owner)
      from df.relays r
$$;
ALTER FUNCTION df.relays_seen(p_owner uuid, OUT live integer, OUT last_seen timestamp with time zone, OUT owner_live boolean, OUT owner_lease_until timestamp with time zone) OWNER TO df_owner;
CREATE FUNCTION df.release(event_id text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_event record;
begin
    select e.instance_id, e.state into v_event from df.parked_events e where e.event_id = release.event_id;
    if found then
        perform df.tell(v_event.instance_id, 'release', release.event_id);
    elsif not exists (select from df.outbox o where o.event_id = release.event_id) then
        raise exception 'Event not found or access denied: %', coalesce(release.event_id, 'NULL')
            using errcode = 'P0002', hint = 'SELECT * FROM df.parked_events lists what waits for a release.';
    end if;
    return 'OK';
end
$$;
ALTER FUNCTION df.release(event_id text) OWNER TO df_owner;
CREATE FUNCTION df.remove_expired(p_limit integer) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_before timestamptz := df.clock() - make_interval(secs => 86400 * df.setting('retention_days')::double precision);
    v_ids    text[];
begin
    v_ids := array(
        select i.id from df.instances i
         where i.ended_at <= v_before and i.owner is null
           and not exists (select from df.outbox o
                            where o.instance_id = i.id and o.queued and o.parked_at is null)
         order by i.ended_at limit p_limit for update skip locked);
    if v_ids = '{}' then
        return 0;
    end if;
    delete from df.node_runs r where r.instance_id = any (v_ids);
    delete from df.signals s where s.instance_id = any (v_ids);
    delete from df.outbox o
     using unnest(v_ids) as id
     where o.event_id > id || '/' and o.event_id < id || '0';
    delete from df.instances i where i.id = any (v_ids);
    return cardinality(v_ids);
end
$$;
ALTER FUNCTION df.remove_expired(p_limit integer) OWNER TO df_owner;
CREATE FUNCTION df.remove_graphs() RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_nestloop TO 'off'
    AS $$
declare
    v_running text[];
    v_held    boolean;
    v_removed bigint;
begin
    -- The locks are read first: what a transaction that is gone has committed is seen below.
    select array_agg(l.virtualtransaction),
           coalesce(bool_or(l.virtualtransaction like '-1/%' and l.relation = 'df.instances'::regclass), false)
      into v_running, v_held
      from pg_locks l
     where l.pid is distinct from pg_backend_pid() and (l.locktype = 'virtualxid' or l.virtualtransaction like '-1/%');
    if not v_held then
        delete from df.graphs g
         where g.doomed_while is not null and not g.doomed_while && coalesce(v_running, '{}')
           and not exists (select from df.instances i where i.graph_id = g.id);
        get diagnostics v_removed = row_count;
    end if;
    update df.graphs g set doomed_xid = null, doomed_while = null
     where g.doomed_xid is not null and exists (select from df.instances i where i.graph_id = g.id);
    update df.graphs g set doomed_while = coalesce(v_running, '{}')
     where g.doomed_while is null and g.doomed_xid < pg_snapshot_xmin(pg_current_snapshot());
    update df.graphs g set doomed_xid = pg_current_xact_id()
     where g.doomed_xid is null and not exists (select from df.instances i where i.graph_id = g.id);
    return coalesce(v_removed, 0);
end
$$;
ALTER FUNCTION df.remove_graphs() OWNER TO df_owner;
CREATE FUNCTION df.remove_orphans(p_limit integer) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_removed bigint;
begin
    with orphans as (
        select o.event_id, o.instance_id from df.outbox o
         where o.queued and o.parked_at is null
           and not exists (select from df.instances i where i.id = o.instance_id)
         limit p_limit for update skip locked),
    signals as (delete from df.signals s using orphans o where s.instance_id = o.instance_id)
    delete from df.outbox o using orphans where o.event_id = orphans.event_id;
    get diagnostics v_removed = row_count;
    return v_removed;
end
$$;
ALTER FUNCTION df.remove_orphans(p_limit integer) OWNER TO df_owner;
CREATE FUNCTION df.remove_taken_signals(p_limit integer) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_before  timestamptz := df.clock() - make_interval(secs => 86400 * df.setting('dedupe_days')::double precision);
    v_removed bigint;
begin
    with old as (
        select o.event_id, o.instance_id, o.key from df.outbox o
         where o.kind = 'signal' and not o.queued and o.created_at <= v_before and o.delivered_at <= v_before
           and not exists (select from df.signals s
                            where s.instance_id = o.instance_id and s.key = o.key
                              and s.consumed_at is null)
         order by o.created_at limit p_limit for update skip locked),
    signals as (
        delete from df.signals s using old where s.instance_id = old.instance_id and s.key = old.key)
    delete from df.outbox o using old where o.event_id = old.event_id;
    get diagnostics v_removed = row_count;
    return v_removed;
end
$$;
ALTER FUNCTION df.remove_taken_signals(p_limit integer) OWNER TO df_owner;
CREATE FUNCTION df.remove_unset_var() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    delete from df.vars v where v.owner = new.owner and v.name = new.name and v.value is null;
    return null;
end
$$;
ALTER FUNCTION df.remove_unset_var() OWNER TO df_owner;
CREATE FUNCTION df.replay_signal(p_instance text, p_key text, OUT outcome text, OUT changed boolean) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_inst   record;
    v_signal df.signals%rowtype;
    v_woken  text[];
begin
    changed := false;
    select i.owner, i.ended_at into v_inst from df.instances i
     where i.id = p_instance for no key update skip locked;
    if not found then
        outcome := 'busy: its instance is locked';
        return;
    end if;
    select * into v_signal from df.signals s where s.instance_id = p_instance and s.key = p_key;
    if not found then
        outcome := 'taken before a loop''s checkpoint';
    elsif v_signal.consumed_at is not null then
        outcome := 'handed over already at ' || v_signal.consumed_by;
    elsif v_inst.ended_at is not null then
        outcome := 'its instance has ended';
    else
        v_woken := df.hand_signal(p_instance, p_key);
        changed := v_woken <> '{}';
        outcome := case when changed then 'handed over at ' || array_to_string(v_woken, ', ')
                        else 'kept for the first wait to come' end;
        if changed and v_inst.owner is null then
            update df.instances i set wake_at = df.clock() where i.id = p_instance and i.ended_at is null;
        end if;
    end if;
end
$$;
ALTER FUNCTION df.replay_signal(p_instance text, p_key text, OUT outcome text, OUT changed boolean) OWNER TO df_owner;
CREATE FUNCTION df.result(instance_id text) RETURNS text
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ select i.result::text from df.instances i where i.id = result.instance_id $$;
ALTER FUNCTION df.result(instance_id text) OWNER TO df_owner;
CREATE FUNCTION df.resume(instance_id text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if df.visible_status(resume.instance_id) in ('pending', 'running') then
        perform df.tell(resume.instance_id, 'resume', null);
    end if;
    return 'OK';
end
$$;
ALTER FUNCTION df.resume(instance_id text) OWNER TO df_owner;
CREATE FUNCTION df.retry(instance_id text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_status text := df.visible_status(retry.instance_id);
begin
    if v_status in ('completed', 'cancelled') then
        raise exception 'instance % is %: only a failed instance can be retried', retry.instance_id, v_status
            using errcode = '55000',
                  hint = format('Start it anew with df.start; SELECT df.explain(%L) shows its graph.', retry.instance_id);
    elsif v_status = 'failed' then
        perform df.tell(retry.instance_id, 'retry', null);
    end if;
    return 'OK';
end
$$;
ALTER FUNCTION df.retry(instance_id text) OWNER TO df_owner;
CREATE FUNCTION df.retry_config(p_node_type text, p_retry jsonb, OUT config text, OUT fault text) RETURNS record
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  c_most_seconds constant numeric := 100000000;
  v_attempts numeric;
  v_initial numeric;
  v_factor numeric;
  v_most numeric;
  v_states jsonb := nullif(p_retry -> 'on_sqlstate', 'null');
  v_field text;
begin
  if p_node_type <> all (array['SQL', 'HTTP', 'HTTP_MULTIPART']) then
    fault := format('a retry policy belongs on a SQL or HTTP node, not on %s: give one to each'
      ' of its steps', p_node_type);
    return;
  elsif jsonb_typeof(p_retry) <> 'object' then
    fault := 'retry must be a JSON object';
    return;
  end if;
  foreach v_field in array array['max_attempts', 'initial_seconds', 'factor', 'max_seconds'] loop
    if jsonb_typeof(p_retry -> v_field) not in ('number', 'null') then
      fault := format('%s in retry must be a number', v_field);
      return;
    end if;
  end loop;
  v_attempts := p_retry ->> 'max_attempts';
  v_initial := coalesce((p_retry ->> 'initial_seconds')::numeric, 1);
  v_factor := coalesce((p_retry ->> 'factor')::numeric, 2);
  v_most := coalesce((p_retry ->> 'max_seconds')::numeric, 300);
  fault := case
    when v_attempts is null or v_attempts <> trunc(v_attempts)
      or v_attempts not between 1 and 1000000 then
      'max_attempts in retry must be a whole number from 1 to 1000000'
    when v_initial not between 0 and c_most_seconds then
      format('initial_seconds in retry must be from 0 to %s', c_most_seconds)
    when v_factor not between 1 and 1000 then 'factor in retry must be from 1 to 1000'
    when v_most not between 0 and c_most_seconds then
      format('max_seconds in retry must be from 0 to %s', c_most_seconds)
    when jsonb_typeof(v_states) <> 'array'
      or exists (select from jsonb_array_elements(v_states) s
                 where jsonb_typeof(s) <> 'string' or s #>> '{}' !~ '^[0-9A-Z]{5}$') then
      'on_sqlstate in retry must be an array of five-character SQLSTATEs'
  end;
  config := format('{"max_attempts":%s,"initial_seconds":%s,"factor":%s,"max_seconds":%s,'
    '"on_sqlstate":%s}', trim_scale(v_attempts), trim_scale(v_initial), trim_scale(v_factor),
    trim_scale(v_most), coalesce(replace(v_states::text, ', ', ','), 'null'));
end
$_$;
ALTER FUNCTION df.retry_config(p_node_type text, p_retry jsonb, OUT config text, OUT fault text) OWNER TO df_owner;
CREATE FUNCTION df.retry_policy(fut text, max_attempts integer, initial_seconds numeric DEFAULT 1, factor numeric DEFAULT 2, max_seconds numeric DEFAULT 300, on_sqlstate text[] DEFAULT NULL::text[]) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_node text := df.node_of(fut, 'df.retry_policy');
  v_retry record;
begin
  select c.config, c.fault into v_retry from df.retry_config(v_node::json ->> 'node_type',
    jsonb_build_object('max_attempts', max_attempts, 'initial_seconds', initial_seconds,
      'factor', factor, 'max_seconds', max_seconds, 'on_sqlstate', on_sqlstate)) c;
  perform df.refuse('df.retry_policy', v_retry.fault);
  return df.node_with(v_node, 'retry', v_retry.config);
end
$$;
ALTER FUNCTION df.retry_policy(fut text, max_attempts integer, initial_seconds numeric, factor numeric, max_seconds numeric, on_sqlstate text[]) OWNER TO df_owner;
CREATE FUNCTION df.revoke_usage(p_role text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_oid  oid := df.role_named(p_role);
    v_gone oid;
begin
    if v_oid = quote_ident(current_user)::regrole::oid then
        raise exception 'a role cannot revoke its own access' using errcode = '42501';
    end if;
    for v_gone in select df.record_revoke(v_oid) loop
        perform df.drop_login(v_gone);
    end loop;
    if exists (select from df.grants_of(v_oid)) then
        raise warning 'role % keeps what others have granted to it', quote_ident(p_role);
    end if;
    return 'OK';
end
$$;
ALTER FUNCTION df.revoke_usage(p_role text) OWNER TO df_owner;
CREATE FUNCTION df.role_named(p_role text) RETURNS oid
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_oid oid;
begin
    select r.oid into v_oid from pg_roles r where r.rolname = p_role;
    if v_oid is null then
        raise exception 'role % does not exist', coalesce(quote_ident(p_role), 'NULL') using errcode = '42704';
    end if;
    return v_oid;
end
$$;
ALTER FUNCTION df.role_named(p_role text) OWNER TO df_owner;
CREATE FUNCTION df.row_count(p_table regclass) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_count bigint;
begin
    select c.reltuples::bigint into v_count from pg_class c
     where c.oid = p_table and c.reltuples > 0 and pg_relation_size(p_table) > 67108864;
    if v_count is null then
        execute format('select count(*) from %s', p_table) into v_count;
    end if;
    return v_count;
end
$$;
ALTER FUNCTION df.row_count(p_table regclass) OWNER TO df_owner;
CREATE FUNCTION df.runs_in_loops(p_instance text) RETURNS TABLE(run_path text, loop_path text, part text, iteration integer, passed boolean)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_nestloop TO 'off'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
begin
    return query
    with marked as (
        select r.run_path, string_to_array(
                   regexp_replace(r.run_path, E'\\.(body|condition_node)\\[([0-9]{1,9})\\]', E'\x01\\1\x02\\2\x03', 'g'),
                   E'\x01') as parts
          from df.node_runs r where r.instance_id = p_instance and r.run_path like '%[%'
    ), inside as materialized (
        select m.run_path,
               replace(replace(replace(array_to_string(m.parts[1:d], E'\x01'), E'\x01', '.'), E'\x02', '['), E'\x03', ']') as loop_path,
               split_part(m.parts[d + 1], E'\x02', 1) as part,
               split_part(split_part(m.parts[d + 1], E'\x02', 2), E'\x03', 1)::integer as iteration
          from marked m, generate_series(1, cardinality(m.parts) - 1) as d
    )
    select i.run_path, i.loop_path, i.part, i.iteration,
           bool_or(coalesce(i.iteration < c.turn, false)) over (partition by i.run_path)
      from inside i
      left join df.checkpoints(p_instance) c on c.run_path = i.loop_path;
end
$$;
ALTER FUNCTION df.runs_in_loops(p_instance text) OWNER TO df_owner;
CREATE FUNCTION df.scram_verifier(p_password text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_salt   bytea := uuid_send(gen_random_uuid());
    v_salted bytea;
    v_client bytea;
begin
    v_salted := df.hmac_sha256(convert_to(p_password, 'UTF8'), v_salt || E'\\x00000001'::bytea);
    v_client := df.hmac_sha256(v_salted, convert_to('Client Key', 'UTF8'));
    return 'SCRAM-SHA-256$1:' || encode(v_salt, 'base64') || '$'
        || encode(sha256(v_client), 'base64') || ':'
        || encode(df.hmac_sha256(v_salted, convert_to('Server Key', 'UTF8')), 'base64');
end
$_$;
ALTER FUNCTION df.scram_verifier(p_password text) OWNER TO df_owner;
CREATE FUNCTION df.seconds_fault(p_field text, p_seconds jsonb, p_most bigint) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if jsonb_typeof(p_seconds) is distinct from 'number' then
    return format('%s must be a number of seconds', p_field);
  elsif p_seconds::numeric <= 0 then
    return format('%s must be greater than zero', p_field);
  elsif p_seconds::numeric > p_most then
    return format('%s must be at most %s', p_field, p_most);
  end if;
  return null;
end
$$;
ALTER FUNCTION df.seconds_fault(p_field text, p_seconds jsonb, p_most bigint) OWNER TO df_owner;
CREATE FUNCTION df.seq(a text, b text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return '{"node_type":"THEN","left_node":'
    || case when a ^@ '{"node_type":"' then a else df.node_of(a, 'df.seq') end
    || ',"right_node":'
    || case when b ^@ '{"node_type":"' then b else df.node_of(b, 'df.seq') end
    || '}';
end
$$;
ALTER FUNCTION df.seq(a text, b text) OWNER TO df_owner;
CREATE FUNCTION df.server_run() RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return lpad(to_hex(hashtextextended(extract(epoch from pg_postmaster_start_time())::text, 0)
                       & 281474976710655), 12, '0');
end
$$;
ALTER FUNCTION df.server_run() OWNER TO df_owner;
CREATE FUNCTION df.setting(p_name text) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return (select coalesce(s.value, s.default_value) from df.setting_values s where s.name = p_name);
end
$$;
ALTER FUNCTION df.setting(p_name text) OWNER TO df_owner;
CREATE FUNCTION df.setvar(name text, value text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    perform df.refuse_inside_workflow('df.setvar');
    if setvar.name is null or setvar.name = '' or octet_length(setvar.name) > 1024 then
        raise exception 'a variable needs a name of 1 to 1024 bytes' using errcode = '22023';
    end if;
    if octet_length(setvar.value) > 1048576 then
        raise exception 'the variable has % bytes, more than the 1048576 that one may have', octet_length(setvar.value)
            using errcode = '54000';
    end if;
    if setvar.value is null then
        return df.unsetvar(setvar.name);
    end if;
    insert into df.vars as v (name, value) values (setvar.name, setvar.value)
        on conflict on constraint vars_pkey do update set value = excluded.value;
    return 'OK';
end
$$;
ALTER FUNCTION df.setvar(name text, value text) OWNER TO df_owner;
CREATE FUNCTION df.signal(instance_id text, signal_name text, signal_data text DEFAULT '{}'::text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return df.insert_signal(instance_id, 'n/' || nextval('df.signal_numbers'), signal_name, signal_data);
end
$$;
ALTER FUNCTION df.signal(instance_id text, signal_name text, signal_data text) OWNER TO df_owner;
CREATE FUNCTION df.signal_once(dedupe_key text, instance_id text, signal_name text, signal_data text DEFAULT '{}'::text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if dedupe_key is null or dedupe_key = '' or octet_length(dedupe_key) > 1000 then
        raise exception 'df.signal_once needs a key of 1 to 1000 bytes' using errcode = '22023';
    end if;
    return df.insert_signal(instance_id, 'k/' || dedupe_key, signal_name, signal_data);
end
$$;
ALTER FUNCTION df.signal_once(dedupe_key text, instance_id text, signal_name text, signal_data text) OWNER TO df_owner;
CREATE FUNCTION df.signal_result(p_name text, p_data json) RETURNS json
    LANGUAGE sql STABLE
    AS $$
    select ('{"signal_name":' || to_json(p_name) || ',"timed_out":false,"data":'
            || coalesce(p_data::text, 'null') || '}')::json
$$;
ALTER FUNCTION df.signal_result(p_name text, p_data json) OWNER TO df_owner;
CREATE FUNCTION df.sleep(seconds bigint) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_sleep record;
begin
  select s.query, s.fault into v_sleep from df.sleep_query(seconds::text) s;
  perform df.refuse('df.sleep', v_sleep.fault);
  return '{"node_type":"SLEEP","query":"' || v_sleep.query || '"}';
end
$$;
ALTER FUNCTION df.sleep(seconds bigint) OWNER TO df_owner;
CREATE FUNCTION df.sleep_interval(duration interval) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_sleep record;
begin
  select s.query, s.fault into v_sleep
  from df.sleep_query(extract(epoch from duration)::text) s;
  perform df.refuse('df.sleep_interval', v_sleep.fault);
  return '{"node_type":"SLEEP","query":"' || v_sleep.query || '"}';
end
$$;
ALTER FUNCTION df.sleep_interval(duration interval) OWNER TO df_owner;
CREATE FUNCTION df.sleep_query(p_seconds text, OUT query text, OUT fault text) RETURNS record
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  c_most constant numeric := 100000000000;
  v_seconds numeric;
begin
  if p_seconds is null then
    fault := 'the seconds to sleep are NULL';
  elsif p_seconds !~ E'^\\s*[+-]?(\\d{1,20}\\.?|\\d{0,20}\\.\\d{1,20})([eE][+-]?\\d{1,2})?\\s*$' then
    fault := format('the seconds to sleep must be a number, not %L', left(p_seconds, 40));
  else
    v_seconds := trim_scale(round(p_seconds::numeric, 9));
    query := v_seconds::text;
    fault := case
      when v_seconds < 0 then 'the seconds to sleep must not be negative'
      when v_seconds > c_most then format('the seconds to sleep must be at most %s', c_most) end;
  end if;
end
$_$;
ALTER FUNCTION df.sleep_query(p_seconds text, OUT query text, OUT fault text) OWNER TO df_owner;
CREATE FUNCTION df.sql(query text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  -- df.sql of a node is that node, as everywhere else where a statement or a node may stand.
  return df.node_of(query, 'df.sql');
end
$$;
ALTER FUNCTION df.sql(query text) OWNER TO df_owner;
CREATE FUNCTION df.start(fut text, label text DEFAULT NULL::text, database text DEFAULT NULL::text, transaction_mode text DEFAULT 'caller'::text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
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
ALTER FUNCTION df.start(fut text, label text, database text, transaction_mode text) OWNER TO df_owner;
CREATE FUNCTION df.start_elsewhere(p_fut text, p_label text, p_database text, p_mode text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
ALTER FUNCTION df.start_elsewhere(p_fut text, p_label text, p_database text, p_mode text) OWNER TO df_owner;
CREATE FUNCTION df.start_once(key text, fut text, label text DEFAULT NULL::text, database text DEFAULT NULL::text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
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
ALTER FUNCTION df.start_once(key text, fut text, label text, database text) OWNER TO df_owner;
CREATE FUNCTION df.static_path(p_run_path text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select case when position('[' in p_run_path) = 0 then p_run_path else
        regexp_replace(p_run_path, E'\\.(body|condition_node)\\[[0-9]+\\]', E'.\\1', 'g') end
$$;
ALTER FUNCTION df.static_path(p_run_path text) OWNER TO df_owner;
CREATE FUNCTION df.status(instance_id text) RETURNS text
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ select i.status from df.instances i where i.id = status.instance_id $$;
ALTER FUNCTION df.status(instance_id text) OWNER TO df_owner;
CREATE FUNCTION df.status_details(p_status text, p_path text, p_run_path text, p_attempt integer, p_run_status text, p_iteration integer, p_due_at timestamp with time zone, p_signal_name text, p_sqlstate text) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select nullif(jsonb_strip_nulls(jsonb_build_object(
        'run_path', case when p_run_path <> p_path and p_status <> 'pending' then p_run_path end,
        'attempt', case when p_attempt > 1 then p_attempt end,
        'iteration', case when p_status <> 'pending' then p_iteration end,
        'due_at', case when p_run_status = 'waiting' and isfinite(p_due_at) then p_due_at end,
        'signal_name', case when p_run_status = 'waiting' then p_signal_name end,
        'sqlstate', p_sqlstate,
        'sent', case when p_run_status = 'intent' then true end)), '{}')
$$;
ALTER FUNCTION df.status_details(p_status text, p_path text, p_run_path text, p_attempt integer, p_run_status text, p_iteration integer, p_due_at timestamp with time zone, p_signal_name text, p_sqlstate text) OWNER TO df_owner;
CREATE FUNCTION df.step_begin(p_instance text, p_epoch bigint, p_incarnation uuid) RETURNS text
    LANGUAGE plpgsql
    AS $$
begin
    if session_user operator(pg_catalog.<>)
            df.step_login_name(pg_catalog.quote_ident(current_user)::pg_catalog.regrole) then
        raise exception 'session user % is not the step login of role %', session_user, current_user
            using errcode = 'DF006';
    end if;
    return pg_catalog.pg_current_xact_id()::pg_catalog.text;
end
$$;
ALTER FUNCTION df.step_begin(p_instance text, p_epoch bigint, p_incarnation uuid) OWNER TO df_owner;
CREATE FUNCTION df.step_clean() RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    reset all;
    reset role;
    deallocate all;
    unlisten *;
    -- An expression, which is cheaper than the query that PERFORM would make of it.
    if pg_catalog.pg_advisory_unlock_all() is null then
    end if;
    discard temp;
    discard sequences;
end
$$;
ALTER FUNCTION df.step_clean() OWNER TO df_owner;
CREATE FUNCTION df.step_fault(p_input text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
begin
  if p_input is null then
    return 'a step is NULL, where a statement or a node was expected';
  elsif p_input !~ E'\\S' then
    return 'a step is empty';
  elsif p_input ^@ '{"incomplete_if":' then
    return 'condition ?> then needs !> else before anything else uses it; put parentheses'
      ' around a branch that is itself an expression';
  elsif p_input ~ E'^\\s*\\{\\s*["}]' then
    if p_input ~ E'^\\s*\\{\\s*"' and p_input ~ E'"node_type"\\s*:' then
      return null;
    end if;
    return 'a JSON object without node_type is not a durable function node';
  elsif p_input ~ E'^\\s*[\\["]' then
    return 'a JSON value that is not an object is not a durable function node';
  elsif p_input ~ E'^\\s*"?df"?\\s*\\.\\s*"?[a-z_0-9]+"?\\s*\\(' then
    return format('%L is a call inside quotes: builders such as df.sleep() are written without'
      ' quotes, and helpers such as df.setvar() or df.await_instance() are not nodes',
      left(btrim(p_input), 60));
  elsif p_input ~ E'^\\s*(OK|pending|running|completed|failed|cancelled)\\s*$'
     -- An instance's id; the one statement that looks like one is let through.
     or (p_input ~ '^[0-9A-Za-z]{8}$' and lower(p_input) <> 'rollback')
     -- The version, what df.cancel said, what df.explain drew.
     or p_input ~ E'^(\\d+\\.\\d+\\.\\d|Instance \\S{8}( cancelled: | \\(|: )'
       '|Instance not found or access denied: |Invalid durable function graph: |flowchart TD\n|---\ntitle: '
       '|SQL: |(SLEEP|WAIT_SCHEDULE|SIGNAL|HTTP|HTTP_MULTIPART) |(BREAK|THEN|JOIN|RACE|IF|LOOP)(\\s|$))'
  then
    return format('%L is the result of a helper that is not a durable function node (df.setvar,'
      ' df.start, df.await_instance and the like run at once, not as steps)', left(p_input, 60));
  end if;
  return null;
end
$_$;
ALTER FUNCTION df.step_fault(p_input text) OWNER TO df_owner;
CREATE FUNCTION df.step_login_name(p_role oid) RETURNS name
    LANGUAGE sql STABLE
    AS $$
    select ('df_step_' operator(pg_catalog.||) df.database_oid()::pg_catalog.text
            operator(pg_catalog.||) '_' operator(pg_catalog.||) p_role::pg_catalog.text)::pg_catalog.name
$$;
ALTER FUNCTION df.step_login_name(p_role oid) OWNER TO df_owner;
CREATE FUNCTION df.step_record(p_instance text, p_epoch bigint, p_incarnation uuid, p_xid xid8, p_run_path text, p_status text, p_result text, p_error text, p_sqlstate text, p_attempt integer, p_within text[], p_turns integer[], p_decides text[], p_checkpoints text, p_ends text, p_lock_timeout text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
declare
    v_outcome text;
    v_now     timestamptz;
begin
    -- One expression, as in the fence. What is not so goes the general way below, where df.prepare_record refuses it or
    -- sets what is missing.
    if p_status = 'completed' and p_attempt = 1 and p_xid = pg_current_xact_id()
       and p_decides is null and p_checkpoints is null
       and octet_length(p_run_path) <= 8192 and octet_length(p_result) <= 1048576
       and current_setting('synchronous_commit') in ('on', 'remote_apply')
       and set_config('lock_timeout', p_lock_timeout, true) is not null then
        if p_ends is null then
            insert into df.node_runs (instance_id, run_path, status, result, attempt, epoch, ended_at)
            select p_instance, p_run_path, 'completed', p_result::json, p_attempt, p_epoch, clock_timestamp()
              from df.instances i
             where i.id = p_instance and i.epoch = p_epoch and coalesce(i.owner = df.relay_name(p_incarnation), false)
               and i.ended_at is null and i.paused_at is null and session_user = df.step_login_name(i.submitted_by)
               for share;
        else
            v_now := clock_timestamp();
            with ended as (
                update df.instances i
                   set status = 'completed', result = p_result::json, owner = null, ending_xid = pg_current_xact_id(),
                       completed_at = v_now, ended_at = v_now, updated_at = v_now
                 where i.id = p_instance and i.epoch = p_epoch and coalesce(i.owner = df.relay_name(p_incarnation), false)
                   and i.ended_at is null and i.paused_at is null and session_user = df.step_login_name(i.submitted_by)
             returning i.result)
            insert into df.node_runs (instance_id, run_path, status, result, attempt, epoch, ended_at)
            select p_instance, p_run_path, 'completed', e.result, p_attempt, p_epoch, v_now
              from ended e;
        end if;
        if found and p_within is null then
            return;
        elsif found then
            if df.decided_against(p_instance, p_within, p_turns) then
                perform df.raise_refusal('DF003', p_instance, p_run_path);
            end if;
            return;
        end if;
    else
        perform df.prepare_record(p_xid, p_run_path, p_status, p_result, p_checkpoints, p_lock_timeout);
    end if;
    v_outcome := df.record_run(p_instance, p_epoch, p_incarnation, p_run_path, p_status,
        p_result::json, left(p_error, 100000), left(p_sqlstate, 5), p_attempt, null, p_within, p_turns, p_decides,
        p_checkpoints::json, p_ends, false, session_user);
    if v_outcome <> 'ok' then
        perform df.raise_refusal(v_outcome, p_instance, p_run_path);
    end if;
end
$$;
ALTER FUNCTION df.step_record(p_instance text, p_epoch bigint, p_incarnation uuid, p_xid xid8, p_run_path text, p_status text, p_result text, p_error text, p_sqlstate text, p_attempt integer, p_within text[], p_turns integer[], p_decides text[], p_checkpoints text, p_ends text, p_lock_timeout text) OWNER TO df_owner;
CREATE FUNCTION df.store_graph(p_fut text) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
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
ALTER FUNCTION df.store_graph(p_fut text) OWNER TO df_owner;
CREATE FUNCTION df.take_back(p_role oid) RETURNS SETOF oid
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_name  text := (select r.rolname from pg_roles r where r.oid = p_role);
    v_left  record;
    v_grant record;
begin
    select count(*) > 0 as any, coalesce(bool_or(u.http), false) as http,
           coalesce(bool_or(u.with_grant), false) as with_grant
      into v_left from df.usage_granted u where u.role_oid = p_role;
    if not v_left.any then
        for v_grant in select g.object, g.privilege from df.grants_of(p_role) g
                        where g.grantor = 'df_owner'::regrole::oid loop
            execute format('revoke %s on %s from %I cascade', v_grant.privilege, v_grant.object, v_name);
        end loop;
        return next p_role;
    else
        for v_grant in
            select g.privileges, g.object,
                   not (g.needs = 'http' and not v_left.http or g.needs = 'admin' and not v_left.with_grant) as stays
              from df.usage_grants() g loop
            if not v_grant.stays then
                execute format('revoke %s on %s from %I cascade', v_grant.privileges, v_grant.object, v_name);
            elsif not v_left.with_grant then
                execute format('revoke grant option for %s on %s from %I cascade', v_grant.privileges,
                               v_grant.object, v_name);
            end if;
        end loop;
    end if;
    if not v_left.with_grant then
        for v_grant in delete from df.usage_granted u where u.granter_oid = p_role returning u.role_oid loop
            return query select * from df.take_back(v_grant.role_oid);
        end loop;
    end if;
end
$$;
ALTER FUNCTION df.take_back(p_role oid) OWNER TO df_owner;
CREATE FUNCTION df.target_database() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ select current_database()::text $$;
ALTER FUNCTION df.target_database() OWNER TO df_owner;
CREATE FUNCTION df.tell(p_instance text, p_kind text, p_payload text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    insert into df.outbox (instance_id, kind, key, payload)
    values (p_instance, p_kind, nextval('df.signal_numbers')::text, p_payload)
$$;
ALTER FUNCTION df.tell(p_instance text, p_kind text, p_payload text) OWNER TO df_owner;
CREATE FUNCTION df.text_as_json(p_text text) RETURNS json
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return p_text::json;
exception when invalid_text_representation or untranslatable_character
            or program_limit_exceeded or statement_too_complex then
    return to_json(p_text);
end
$$;
ALTER FUNCTION df.text_as_json(p_text text) OWNER TO df_owner;
CREATE FUNCTION df.timeout(fut text, seconds numeric) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_node text := df.node_of(fut, 'df.timeout');
begin
  -- NaN and the infinities are no JSON numbers; as NULL they are refused alike.
  perform df.refuse('df.timeout', df.node_timeout_fault(
    case when seconds::text ~ E'^-?\\d' then to_jsonb(seconds) end));
  return df.node_with(v_node, 'node_timeout_seconds', trim_scale(seconds)::text);
end
$$;
ALTER FUNCTION df.timeout(fut text, seconds numeric) OWNER TO df_owner;
CREATE FUNCTION df.truth(p_result json) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_raw text := p_result::text;
  v_result json := p_result;
  v_row json;
begin
  if p_result is null then
    return false;
  end if;
  -- Postgres's functions over json refuse \u0000 and unpaired surrogates, which json may hold. An
  -- escaped backslash is written otherwise first, so that what is left of \u is an escape; which
  -- character stands there does not matter, only that one does.
  if v_raw ~* E'\\\\u(0000|d[89a-f])' then
    v_raw := regexp_replace(replace(v_raw, E'\\\\', E'\\u005c'), E'\\\\u(0000|d[89a-f][0-9a-f]{2})', '?',
      'gi');
    v_result := v_raw;
  end if;
  if json_typeof(v_result) <> 'object' or json_typeof(v_result -> 'rows') is distinct from 'array'
     or json_typeof(v_result -> 'row_count') is distinct from 'number' then
    return df.json_value_truth(v_raw);
  end if;
  v_row := v_result -> 'rows' -> 0;
  if v_row is null then
    return false;
  elsif json_typeof(v_row) <> 'object' then
    return df.json_value_truth(v_raw);
  end if;
  return coalesce(
    (select df.json_value_truth(c.value::text) from json_each(v_row) c limit 1), false);
end
$$;
ALTER FUNCTION df.truth(p_result json) OWNER TO df_owner;
CREATE FUNCTION df.undo_failure(p_instance text, p_graph_id bigint, p_path text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    AS $$
declare
    v_join   text;
    v_failed text[];
    v_above  text[];
    v_joins  text[];
    v_races  text[];
begin
    select coalesce(array_agg(t.path) filter (where t.node_type = 'JOIN'), '{}'),
           coalesce(array_agg(t.path) filter (where t.node_type = 'RACE'), '{}') into v_joins, v_races
      from df.node_tree((select g.graph from df.graphs g where g.id = p_graph_id)) t;
    -- The outermost JOIN around the node, if any: everything that failed below it is tried again.
    select min(a.path collate "C") into v_join from df.paths_above(p_path) as a(path)
     where df.static_path(a.path) = any (v_joins) and a.path <> p_path;
    v_failed := array(
        select r.run_path from df.node_runs r
         where r.instance_id = p_instance and r.status = 'failed'
           and (r.run_path = p_path or starts_with(r.run_path, p_path || '.')
                or starts_with(r.run_path, v_join || '.')));
    if v_failed <> array[p_path] then
        -- But for those that nothing came of: a break had gone before them in their JOIN, or their race was lost to another.
        -- What surrounds them has ended otherwise, or is in a later iteration, and what follows may have run.
        -- By the paths above each: compared with every node, the thousands of a wide JOIN would take minutes.
        v_failed := array(
            with state as materialized (
                select s.path, s.run_path, s.status from df.node_states_of(p_instance, false) s),
            latest as materialized (
                select f.path, s.path as node from unnest(v_failed) as f(path) join state s on s.run_path = f.path),
            passed as materialized (
                select distinct l.path from latest l, df.paths_above(l.node) as a(path)
                  join state s on s.path = a.path and s.status = 'completed'
                 where a.path <> l.node)
            select p_path where p_path = any (v_failed)
            union
            select l.path from latest l left join passed p on p.path = l.path where p.path is null);
    end if;
    v_above := array(
        select distinct a.path from unnest(v_failed || p_path) as f(path), df.paths_above(f.path) as a(path));
    -- A RACE whose winning branch holds the failure, or a timeout above it (or of it).
    delete from df.node_runs r
     where r.instance_id = p_instance
       and ((r.status = 'decided'
             and r.run_path || case r.turn when 0 then '.left' else '.right' end in (select unnest(v_above))
             -- An IF on rows records its choice alike, and keeps it.
             and df.static_path(r.run_path) in (select unnest(v_races)))
         or r.run_path in (select v.path || t.suffix
                             from unnest(v_above) as v(path),
                                  (values ('.timeout'), ('.timeout.due')) as t(suffix)));
    -- A node whose time was up may have had a row of its own, of a loop or a decision.
    update df.node_runs r
       set status = r.detail -> 'was' ->> 'status', turn = (r.detail -> 'was' ->> 'turn')::integer,
           result = nullif((r.detail -> 'was' -> 'result')::text, 'null')::json,
           detail = nullif((r.detail -> 'was' -> 'detail')::text, 'null')::json,
           error = null, sqlstate = null,
           ended_at = case r.detail -> 'was' ->> 'status' when 'decided' then r.ended_at end
     where r.instance_id = p_instance and r.run_path = any (v_failed) and r.detail -> 'was' is not null;
    delete from df.node_runs r
     where r.instance_id = p_instance and r.run_path = any (v_failed) and r.status = 'failed';
end
$$;
ALTER FUNCTION df.undo_failure(p_instance text, p_graph_id bigint, p_path text) OWNER TO df_owner;
CREATE FUNCTION df.unreadable_fault(p_node jsonb, p_sqlstate text, p_message text, p_detail text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select case
    when p_sqlstate = '54001' then 'graph exceeds the maximum nesting depth of 256'
    when p_sqlstate = '22P05' then
      format('text that Postgres cannot store: %s', coalesce(nullif(p_detail, ''), p_message))
    when p_node is null then
      format('not valid JSON: %s', coalesce(nullif(p_detail, ''), p_message))
    else format('query in %s must be valid JSON config', p_node ->> 'node_type')
  end
$$;
ALTER FUNCTION df.unreadable_fault(p_node jsonb, p_sqlstate text, p_message text, p_detail text) OWNER TO df_owner;
CREATE FUNCTION df.unsetvar(name text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    perform df.refuse_inside_workflow('df.unsetvar');
    update df.vars v set value = null
     where v.name = unsetvar.name and v.owner = quote_ident(current_user)::regrole;
    return 'OK';
end
$$;
ALTER FUNCTION df.unsetvar(name text) OWNER TO df_owner;
CREATE FUNCTION df.usage_grants() RETURNS TABLE(ordinal integer, object text, privileges text, needs text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select * from (values
        (1, 'schema df', 'usage', ''),
        (2, 'table df.instances', 'select, insert (label, database, graph_id, once_key)', ''),
        (3, 'table df.graphs', 'select, insert (hash, graph)', ''),
        (4, 'table df.outbox', 'select, insert (instance_id, kind, key, payload)', ''),
        (5, 'table df.signals', 'select, insert (instance_id, key, name, data)', ''),
        (6, 'table df.node_runs', 'select', ''),
        (7, 'table df.vars', 'select, insert (name, value), update (value)', ''),
        (8, 'sequence df.signal_numbers', 'usage, select', '')) as t(ordinal, object, privileges, needs)
    union all
    select 100 + row_number() over (order by p.oid)::integer,
           format('function df.%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)),
           'execute',
           case when p.proname in ('http', 'http_multipart') then 'http'
                when p.proname in ('grant_usage', 'revoke_usage', 'record_grant', 'record_revoke', 'make_login',
                                   'login_password', 'forget_login', 'drop_login', 'drop_stray_logins',
                                   'metrics') then 'admin'
                else '' end
      from pg_proc p
     where p.pronamespace = 'df'::regnamespace
       and p.proname not like E'relay\\_%'
       and p.proname not in (select i.name from df.internal_functions() as i(name))
    union all
    select 100000 + row_number() over (order by c.oid)::integer, format('table df.%I', c.relname), 'select', ''
      from pg_class c
     where c.relnamespace = 'df'::regnamespace and c.relkind = 'v'
$$;
ALTER FUNCTION df.usage_grants() OWNER TO df_owner;
CREATE FUNCTION df.version() RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$ select '0.1.0' $$;
ALTER FUNCTION df.version() OWNER TO df_owner;
CREATE FUNCTION df.violations_of_constructs(p_instance text) RETURNS TABLE(invariant text, path text, detail text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_nestloop TO 'off'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
begin
    return query
    with here as materialized (
        select t.* from df.runs_in_loops(p_instance) t where not t.passed
    ), round as materialized (
        select h.loop_path, h.iteration, bool_or(h.part = 'body') as body, bool_or(h.part <> 'body') as asked
          from here h group by h.loop_path, h.iteration
    ), span as materialized (
        select r.loop_path, coalesce(c.turn, 0) as first, max(r.iteration) as last,
               count(*) filter (where r.body and r.iteration >= coalesce(c.turn, 0)) as bodies
          from round r
          left join df.checkpoints(p_instance) c on c.run_path = r.loop_path
         group by r.loop_path, c.turn
    ), node as materialized (
        select t.path, t.node_type, t.condition_path from df.instances i
          join df.graphs g on g.id = i.graph_id and g.owner = i.submitted_by, df.node_tree(g.graph) t
         where i.id = p_instance and t.node_type in ('LOOP', 'RACE')
    ), decided as materialized (
        select d.*, n.path from df.node_runs d join node n on n.path = df.static_path(d.run_path)
         where d.instance_id = p_instance and d.status = 'decided' and n.node_type = 'RACE'
    )
    select 'loop_body_iteration_count_matches', df.static_path(s.loop_path),
           format('loop %s has %s bodies from iteration %s to %s', s.loop_path, s.bodies, s.first, s.last)
      from span s where s.bodies <> s.last - s.first + 1
    union all
    select 'loop_body_iteration_count_matches', df.static_path(s.loop_path),
           format('loop %s went on from iteration %s without asking its condition', s.loop_path, min(r.iteration))
      from span s join round r on r.loop_path = s.loop_path
      join node n on n.path = df.static_path(s.loop_path) and n.condition_path is not null
     where not r.asked and r.iteration between s.first and s.last - 1
     group by s.loop_path
    union all
    select 'race_loser_terminal', d.path, format('race %s: branch %s cannot have won', d.run_path, d.turn)
      from decided d where d.turn not in (0, 1)
    union all
    select 'race_loser_terminal', d.path,
           format('race %s was decided at %s, and run %s of its loser ended at %s', d.run_path, d.ended_at, l.run_path, l.ended_at)
      from decided d
      cross join lateral (select d.run_path || case d.turn when 0 then '.right' else '.left' end) as b(path)
      join df.node_runs l on l.instance_id = p_instance
           and (l.run_path = b.path or (l.run_path > b.path || '.' and l.run_path < b.path || '/'))
     where l.ended_at > d.ended_at
    union all
    select 'result_name_uniqueness', df.static_path(c.run_path),
           format('the checkpoint of %s keeps the name %s %s times', c.run_path, n.name, n.times)
      from df.node_runs c
      cross join lateral (select e ->> 0 as name, count(*) as times
                            from json_array_elements(case json_typeof(c.detail) when 'array' then c.detail else '[]' end) e
                           group by 1) n
     where c.instance_id = p_instance and c.status = 'checkpoint' and n.times > 1
    union all
    select 'result_name_uniqueness', df.static_path(c.run_path),
           format('the checkpoint of %s keeps a name for run %s, which is not there', c.run_path, n.run[1])
      from df.node_runs c
      cross join lateral regexp_matches(c.detail::text, E'"run"\\s*:\\s*"(root[^"\\\\]*)"', 'g') as n(run)
     where c.instance_id = p_instance and c.status = 'checkpoint'
       and not exists (select from df.node_runs r where r.instance_id = p_instance and r.run_path = n.run[1]);
end
$$;
ALTER FUNCTION df.violations_of_constructs(p_instance text) OWNER TO df_owner;
CREATE FUNCTION df.violations_of_runs(p_instance text) RETURNS TABLE(invariant text, path text, detail text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_nestloop TO 'off'
    SET jit TO 'off'
    AS $_$
#variable_conflict use_column
begin
    return query
    with node as materialized (
        select s.path, s.node_type in ('THEN', 'JOIN', 'RACE', 'IF', 'LOOP') as control, s.node_type,
               regexp_replace(s.run_path, E'\\.(body|condition_node)\\[[0-9]+\\]', E'.\\1[]', 'g') as shape
          from df.node_states_of(p_instance, false) s
    ), run as materialized (
        select r.*, r.xmin::text as written_by, df.static_path(r.run_path) as path, df.path_turns(r.run_path) as turns,
               regexp_replace(r.run_path, E'\\.(body|condition_node)\\[[0-9]+\\]', E'.\\1[]', 'g') as shape
          from df.node_runs r where r.instance_id = p_instance and r.run_path !~ E'\\.timeout(\\.due)?$'
    ), placed as materialized (
        select r.*, n.shape as node_shape, n.control, n.node_type from run r left join node n on n.path = r.path
    ), inst as materialized (
        select i.status, i.epoch, i.ended_at, i.completed_at, (i.ending_xid::text::numeric % 4294967296)::text as ended_by
          from df.instances i where i.id = p_instance
    )
    select case when p.node_shape like '%[]%' then 'loop_body_iteration_count_matches'
                else 'single_execution_outside_loop' end, p.path,
           format('run %s: %s', p.run_path, case when p.node_shape is null then 'the graph has no such node'
                else 'its counters are not those of the loops around it' end)
      from placed p where p.node_shape is distinct from p.shape
    union all
    select 'node_status_monotonic', r.path,
           format('run %s: status %s, begun %s, ended %s, attempt %s', r.run_path, r.status, r.created_at,
                  coalesce(r.ended_at::text, 'never'), r.attempt)
      from run r
     where case r.status when 'completed' then r.ended_at is null or r.error is not null
                         when 'failed' then r.ended_at is null or r.error is null or r.result is not null
                         when 'decided' then r.ended_at is null
                         when 'checkpoint' then false
                         else r.ended_at is not null or r.result is not null end
        or r.ended_at < r.created_at or r.attempt < 1
        or (r.turn is null) <> (r.status not in ('decided', 'checkpoint'))
    union all
    select 'node_status_monotonic', 'root',
           format('the instance is %s, ended_at %s and completed_at %s', i.status, coalesce(i.ended_at::text, 'null'),
                  coalesce(i.completed_at::text, 'null'))
      from inst i
     where (i.ended_at is null) <> (i.status in ('pending', 'running'))
        or (i.completed_at is null) <> (i.status <> 'completed')
    union all
    select 'step_effects_recorded_once', p.path,
           format('run %s: a %s has no run that is %s', p.run_path, p.node_type, p.status)
      from placed p
     where (p.control and p.status in ('completed', 'waiting', 'intent'))
        or (p.status = 'decided' and p.node_type not in ('RACE', 'IF'))
        or (p.status = 'checkpoint' and p.node_type <> 'LOOP')
    union all
    select 'step_effects_recorded_once', min(r.path), format('recorded as %s', string_agg(r.run_path, ' and ' order by r.run_path))
      from run r group by r.path, r.turns having count(*) > 1
    union all
    select 'step_effects_recorded_once', df.static_path(s.consumed_by),
           format('signal %s was taken by run %s, which %s', s.key, s.consumed_by,
                  case when r.run_path is null then 'is not recorded' else 'is ' || r.status end)
      from df.signals s left join run r on r.run_path = s.consumed_by
     where s.instance_id = p_instance and s.consumed_at is not null and r.status is distinct from 'completed'
       and (r.run_path is not null or not exists (select from run c where c.status = 'checkpoint'))
    union all
    select 'no_write_under_stale_epoch', e.path,
           format('run %s: epoch %s, the instance is at %s, and %s was recorded before it', e.run_path, e.epoch, i.epoch,
                  coalesce(e.before::text, 'none'))
      -- Waits and decisions that a signal brought about carry the epoch of the wait's beginning.
      from (select p.*, max(p.epoch) filter (where p.node_type in ('SQL', 'HTTP', 'HTTP_MULTIPART', 'BREAK'))
                            over (order by p.ended_at, p.run_path rows between unbounded preceding and 1 preceding) as before
              from placed p where p.ended_at is not null) e, inst i
     where e.epoch > i.epoch or e.epoch < 1
        or (e.before > e.epoch and e.node_type in ('SQL', 'HTTP', 'HTTP_MULTIPART', 'BREAK'))
    union all
    select case i.status when 'cancelled' then 'nothing_committed_after_cancel' else 'nothing_committed_after_end' end,
           r.path, format('run %s ended at %s, its instance at %s', r.run_path, r.ended_at, i.ended_at)
      from run r, inst i
     where r.ended_at > i.ended_at and r.written_by is distinct from i.ended_by;
end
$_$;
ALTER FUNCTION df.violations_of_runs(p_instance text) OWNER TO df_owner;
CREATE FUNCTION df.violations_of_states(p_instance text) RETURNS TABLE(invariant text, path text, detail text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_nestloop TO 'off'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
begin
    return query
    with state as materialized (
        select s.*, s.status in ('completed', 'failed') as ended from df.node_states_of(p_instance, false) s
    ), inst as materialized (
        select i.status, i.status in ('completed', 'failed') as ended from df.instances i where i.id = p_instance
    ), root as materialized (
        select s.* from state s where s.path = 'root'
    ), early as materialized (
        select s.* from state s where s.run_status is not null and not s.reached
    ), branches as materialized (
        select s.parent_id, count(*) filter (where s.ended) as ended, count(*) as total
          from state s group by s.parent_id
    )
    select 'every_reachable_node_completed', s.path,
           format('the instance is %s, and run %s is %s', i.status, s.run_path,
                  case when s.path = 'root' then s.status else coalesce(s.run_status, 'not recorded') end)
      from state s, inst i, root
     where i.ended and ((s.path = 'root' and s.status <> i.status)
                        or (s.inferred_status = 'cancelled' and root.status = 'cancelled'
                            and s.inferred_status_from_ancestor_id = root.id))
    union all
    select 'join_all_branches_completed', j.path, format('join %s: %s of %s branches have ended', j.run_path, b.ended, b.total)
      from state j join branches b on b.parent_id = j.id, inst i
     where j.node_type = 'JOIN' and b.ended < b.total and j.status <> 'failed' and j.inferred_status <> 'skipped'
       and ((i.ended and j.reached and j.inferred_status = 'cancelled' and j.inferred_status_from_ancestor_id = p_instance || ':root'
             and (select r.status from root r) = 'cancelled')
            or exists (select from early e, state t
                        where t.node_type in ('THEN', 'IF', 'LOOP')
                          and (starts_with(j.path || '.', t.path || '.left.') or starts_with(j.path || '.', t.path || '.body.')
                               or starts_with(j.path || '.', t.path || '.condition_node.'))
                          and (starts_with(e.path || '.', t.path || '.right.') or starts_with(e.path || '.', t.path || '.condition_node.')
                               or starts_with(e.path || '.', t.path || '.left.'))
                          and not starts_with(e.path, j.path)))
    union all
    select 'nothing_runs_before_its_turn', e.path, format('run %s is %s, and its node was not reached', e.run_path, e.run_status)
      from early e
    union all
    select 'race_loser_terminal', w.path, format('race %s: its winner has not ended', w.run_path)
      from state w
      join df.node_runs d on d.instance_id = p_instance and d.run_path = w.run_path and d.status = 'decided'
      join state c on c.parent_id = w.id and c.path = w.path || case d.turn when 0 then '.left' else '.right' end
     where w.node_type = 'RACE' and not c.ended
    union all
    select 'race_loser_terminal', w.path, format('race %s: both branches have ended, and neither won', w.run_path)
      from state w join branches b on b.parent_id = w.id, inst i
     where w.node_type = 'RACE' and w.run_status is null and b.ended = 2 and i.ended and w.inferred_status <> 'skipped';
end
$$;
ALTER FUNCTION df.violations_of_states(p_instance text) OWNER TO df_owner;
CREATE FUNCTION df.visible_status(p_instance text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_status text;
begin
    select i.status into v_status from df.instances i where i.id = p_instance;
    if not found then
        raise exception 'Instance not found or access denied: %', coalesce(p_instance, 'NULL')
            using errcode = 'P0002', hint = 'SELECT * FROM df.list_instances() shows those that this role may see.';
    end if;
    return v_status;
end
$$;
ALTER FUNCTION df.visible_status(p_instance text) OWNER TO df_owner;
CREATE FUNCTION df.visible_submitters() RETURNS oid[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if not df.is_admin(quote_ident(current_user)::regrole) then
        return array[quote_ident(current_user)::regrole::oid];
    end if;
    return array(
        with recursive submitter(role) as (
            (select i.submitted_by::oid from df.instances i order by i.submitted_by limit 1)
            union all
            select (select i.submitted_by::oid from df.instances i where i.submitted_by > s.role
                     order by i.submitted_by limit 1)
              from submitter s where s.role is not null)
        select s.role from submitter s where s.role is not null);
end
$$;
ALTER FUNCTION df.visible_submitters() OWNER TO df_owner;
CREATE FUNCTION df.wait_config(p_node_type text, p_config jsonb, OUT config text, OUT fault text) RETURNS record
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  c_most_seconds constant bigint := 100000000000;
  c_most_name_bytes constant int := 1024;
  v_timeout jsonb := nullif(p_config -> 'timeout_seconds', 'null');
  v_field text;
begin
  v_field := case p_node_type when 'WAIT_SCHEDULE' then 'cron_expr'
                              when 'SIGNAL' then 'signal_name' else 'break_value' end;
  if p_node_type <> 'BREAK' and jsonb_typeof(p_config -> v_field) is distinct from 'string' then
    fault := format('%s must be text', v_field);
  elsif p_node_type = 'WAIT_SCHEDULE' then
    fault := df.cron_fault(p_config ->> v_field);
    config := '{"cron_expr":' || to_json(p_config ->> v_field)::text || '}';
  elsif p_node_type = 'BREAK' then
    config := '{"break_value":' || coalesce(to_json(p_config ->> v_field)::text, 'null') || '}';
  elsif p_config ->> v_field = '' then
    fault := 'signal_name must not be empty';
  elsif octet_length(p_config ->> v_field) > c_most_name_bytes then
    fault := format('signal_name must be at most %s bytes', c_most_name_bytes);
  else
    if v_timeout is not null then
      fault := df.seconds_fault('timeout_seconds', v_timeout, c_most_seconds);
    end if;
    config := '{"signal_name":' || to_json(p_config ->> v_field)::text
      || ',"timeout_seconds":' || coalesce(v_timeout::text, 'null') || '}';
  end if;
end
$$;
ALTER FUNCTION df.wait_config(p_node_type text, p_config jsonb, OUT config text, OUT fault text) OWNER TO df_owner;
CREATE FUNCTION df.wait_for_completion(instance_id text, timeout_seconds integer DEFAULT 30) RETURNS text
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$ select df.await_instance($1, $2) $_$;
ALTER FUNCTION df.wait_for_completion(instance_id text, timeout_seconds integer) OWNER TO df_owner;
CREATE FUNCTION df.wait_for_schedule(cron_expr text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform df.refuse('df.wait_for_schedule', df.cron_fault(cron_expr));
  return '{"node_type":"WAIT_SCHEDULE","query":'
    || to_json('{"cron_expr":' || to_json(cron_expr)::text || '}')::text || '}';
end
$$;
ALTER FUNCTION df.wait_for_schedule(cron_expr text) OWNER TO df_owner;
CREATE FUNCTION df.wait_for_signal(name text, timeout_seconds integer DEFAULT NULL::integer) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_leaf record;
begin
  select c.config, c.fault into v_leaf from df.wait_config('SIGNAL',
    jsonb_build_object('signal_name', name, 'timeout_seconds', timeout_seconds)) c;
  perform df.refuse('df.wait_for_signal', v_leaf.fault);
  return '{"node_type":"SIGNAL","query":' || to_json(v_leaf.config)::text || '}';
end
$$;
ALTER FUNCTION df.wait_for_signal(name text, timeout_seconds integer) OWNER TO df_owner;
CREATE FUNCTION df.waiting_leaves(p_instance text) RETURNS TABLE(path text, kind text, waits boolean, what text, since timestamp with time zone, due_at timestamp with time zone, release_by text, last_error text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    with leaf as (
        select s.*, s.run_status = 'waiting'
                   -- A pause that is over is an attempt in progress.
                   and (s.node_type in ('SIGNAL', 'SLEEP', 'WAIT_SCHEDULE') or s.due_at > df.clock()) as waiting, r.created_at as begun_at, r.error as run_error,
               r.sqlstate as run_sqlstate,
               case when s.node_type in ('SIGNAL', 'WAIT_SCHEDULE', 'HTTP', 'HTTP_MULTIPART')
                    then s.query::json end as config
          from df.node_states_of(p_instance, false) s
          left join df.node_runs r on r.instance_id = p_instance and r.run_path = s.run_path
         where s.status = 'running' and s.node_type not in ('THEN', 'JOIN', 'RACE', 'IF', 'LOOP'))
    select l.run_path,
           case when l.node_type = 'SIGNAL' then 'signal'
                when l.node_type in ('SLEEP', 'WAIT_SCHEDULE') then 'timer'
                when l.waiting then 'retry'
                when l.node_type in ('HTTP', 'HTTP_MULTIPART') then 'request' else 'step' end,
           coalesce(l.waiting, false),
           case when l.node_type = 'SIGNAL' then
                    format('signal %L', l.config ->> 'signal_name')
                    || case when l.waiting and isfinite(l.due_at)
                            then ', at most until ' || df.readable_time(l.due_at) else '' end
                when l.node_type = 'SLEEP' then
                    coalesce('the time ' || case when l.waiting then df.readable_time(l.due_at) end, 'a sleep to begin')
                    || format(' (sleep of %ss)', l.query)
                when l.node_type = 'WAIT_SCHEDULE' then
                    coalesce('the time ' || case when l.waiting then df.readable_time(l.due_at) end, 'a schedule')
                    || format(' (schedule %L)', l.config ->> 'cron_expr')
                when l.waiting then
                    format('attempt %s of step %s, at %s', l.attempt + 1, l.run_path, df.readable_time(l.due_at))
                when l.node_type in ('HTTP', 'HTTP_MULTIPART') then
                    format('the answer to %s %s', l.config ->> 'method', left(l.config ->> 'url', 200))
                else format('step %s: %s', l.run_path,
                            left(btrim(regexp_replace(l.query, E'\\s+', ' ', 'g')), 200)) end,
           l.begun_at, case when l.waiting and isfinite(l.due_at) then l.due_at end,
           case when l.node_type = 'SIGNAL' then
                format('SELECT df.signal(%L, %L, %L);', p_instance, l.config ->> 'signal_name', '{}') end,
           coalesce('[' || l.run_sqlstate || '] ', '') || l.run_error
      from leaf l
$$;
ALTER FUNCTION df.waiting_leaves(p_instance text) OWNER TO df_owner;
CREATE FUNCTION df.waiting_roles(p_runs integer, p_bounds json DEFAULT NULL::json) RETURNS TABLE(role regrole, next_wake timestamp with time zone)
    LANGUAGE plpgsql
    AS $$
#variable_conflict use_column
begin
    if p_bounds is null then
        role := 0;
        loop
            select i.submitted_by, i.wake_at into role, next_wake from df.instances i
             where i.owner is null and i.ended_at is null and i.paused_at is null
               and i.submitted_by > waiting_roles.role and i.min_version <= p_runs
             order by i.submitted_by, i.wake_at limit 1;
            exit when not found;
            return next;
        end loop;
        return;
    end if;
    return query
        select k.role, w.wake_at
          from (select g.role_oid::regrole as role from df.granted_roles g
                union select b.key::oid::regrole from json_each_text(p_bounds -> 'instances') b) k,
               lateral (select i.wake_at from df.instances i
                         where i.owner is null and i.ended_at is null and i.paused_at is null
                           and i.submitted_by = k.role and i.min_version <= p_runs
                           and i.wake_at >= df.bound_of(p_bounds, k.role)
                         order by i.wake_at limit 1) w;
end
$$;
ALTER FUNCTION df.waiting_roles(p_runs integer, p_bounds json) OWNER TO df_owner;
CREATE FUNCTION df.wake_overdue() RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_now   timestamptz := df.clock();
    v_woken bigint;
begin
    with overdue as (
        select i.id from df.instances i
         where i.owner is null and i.ended_at is null and i.status = 'running' and i.paused_at is null
           and i.wake_at > v_now
           and (exists (select from df.node_runs r
                         where r.instance_id = i.id and r.status = 'waiting' and r.due_at <= v_now)
                or not exists (select from df.node_runs r
                                where r.instance_id = i.id and r.status = 'waiting'))
         for no key update skip locked)
    update df.instances i set wake_at = v_now from overdue where i.id = overdue.id;
    get diagnostics v_woken = row_count;
    return v_woken;
end
$$;
ALTER FUNCTION df.wake_overdue() OWNER TO df_owner;
CREATE FUNCTION df.wake_relays() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    AS $$
begin
    -- Apart, since setting an expression up costs as much as evaluating it, and most find no relay idle.
    if pg_catalog.pg_sequence_last_value('df.relay_idle') operator(pg_catalog.=) 2 then
        if coalesce(pg_catalog.current_setting('df.notify', true), 'on') operator(pg_catalog.<>) 'off' then
            perform pg_catalog.pg_notify('df_relay', '');
        end if;
    end if;
    return null;
end
$$;
ALTER FUNCTION df.wake_relays() OWNER TO df_owner;
CREATE FUNCTION df.why(instance_id text) RETURNS TABLE(state text, waiting_for text, since timestamp with time zone, release_by text, detail text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_inst  df.instances%rowtype;
    v_relay record;
    v_event record;
    v_none  text := 'No relay is running: start one with df-relay run.';
begin
    select * into v_inst from df.instances i where i.id = why.instance_id;
    if not found then
        return;
    end if;
    state := v_inst.status;
    since := coalesce(v_inst.ended_at, v_inst.created_at);
    if v_inst.ended_at is not null then
        if v_inst.status = 'failed' then
            detail := format('%s failed: %s%s', coalesce(v_inst.error_path, 'root'),
                             coalesce('[' || v_inst.error_sqlstate || '] ', ''), v_inst.error);
            release_by := format('SELECT df.retry(%L);', v_inst.id);
        elsif v_inst.status = 'cancelled' then
            detail := 'It was cancelled: ' || rtrim(coalesce(v_inst.error, 'no reason was given'), '. ')
                || '. A cancel is final; df.start starts it anew.';
        else
            detail := 'It completed; SELECT df.result(' || quote_literal(v_inst.id) || ') has the result.';
        end if;
        return next;
        return;
    end if;
    v_relay := df.relays_seen(v_inst.owner);
    select o.event_id, o.last_error, o.parked_at into v_event from df.outbox o
     where o.event_id > v_inst.id || '/' and o.event_id < v_inst.id || '0'
       and o.parked_at is not null order by o.parked_at limit 1;
    if v_inst.paused_at is not null then
        state := 'paused';
        waiting_for := 'somebody to resume it';
        since := v_inst.paused_at;
        release_by := format('SELECT df.resume(%L);', v_inst.id);
        detail := case when v_relay.live = 0 then v_none end;
    elsif v_event.event_id is not null then
        state := 'stalled';
        waiting_for := 'the parked event ' || v_event.event_id;
        since := v_event.parked_at;
        release_by := format('SELECT df.release(%L);', v_event.event_id);
        detail := 'It could not be delivered: ' || coalesce(v_event.last_error, 'no error was kept');
    elsif v_relay.live = 0 and (v_inst.owner is not null or v_inst.wake_at <= df.clock()) then
        state := 'stalled';
        waiting_for := 'a relay';
        since := coalesce(v_relay.last_seen, v_inst.wake_at);
        detail := v_none || coalesce(' One was last seen at ' || df.readable_time(v_relay.last_seen) || '.', '');
    elsif v_inst.owner is not null and not v_relay.owner_live then
        state := 'stalled';
        waiting_for := 'another relay to take it over';
        since := coalesce(v_relay.owner_lease_until, v_inst.updated_at);
        detail := 'The relay that ran it is gone'
            || coalesce('; its lease ran out at ' || df.readable_time(v_relay.owner_lease_until), '')
            || '. Another takes it over within its next pass.';
    elsif v_inst.owner is null and v_inst.wake_at <= df.clock() then
        waiting_for := 'a relay to claim it';
        since := v_inst.wake_at;
        detail := format('%s running; one claims it at its next poll.',
                         case v_relay.live when 1 then 'One relay is' else v_relay.live || ' relays are' end);
    else
        select w.state, w.waiting_for, w.since, w.release_by, w.detail
          into state, waiting_for, since, release_by, detail
          from df.why_leaves(v_inst.id, v_inst.submitted_by) w;
        if waiting_for is null then
            state := v_inst.status;
            waiting_for := 'its relay to record its next step or its end';
        end if;
        since := coalesce(since, (select max(coalesce(r.ended_at, r.created_at)) from df.node_runs r
                                   where r.instance_id = v_inst.id), v_inst.updated_at);
        detail := nullif(concat_ws(' ', detail, case when v_relay.live = 0 then v_none end,
            (select format('A signal %L sent at %s is not delivered yet.', s.name, df.readable_time(s.created_at))
               from df.outbox o join df.signals s on s.instance_id = o.instance_id and s.key = o.key
              where o.instance_id = v_inst.id and o.kind = 'signal' and o.queued and o.parked_at is null and s.consumed_at is null
              order by s.n limit 1)), '');
    end if;
    return next;
end
$$;
ALTER FUNCTION df.why(instance_id text) OWNER TO df_owner;
CREATE FUNCTION df.why_leaves(p_instance text, p_role oid, OUT state text, OUT waiting_for text, OUT since timestamp with time zone, OUT release_by text, OUT detail text) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    c_most  constant integer := 5;
    v_lock  record;
    v_steps boolean;
    v_count integer;
begin
    select case when bool_and(l.waits) then 'waiting' else 'running' end,
           string_agg(l.what, '; ' order by l.n) filter (where l.n <= c_most),
           min(l.since), string_agg(distinct l.release_by, E'\n') filter (where l.n <= c_most),
           string_agg('Its last error: ' || rtrim(l.last_error, '. ') || '.', ' ' order by l.n) filter (where l.n <= c_most),
           bool_or(l.kind = 'step'), count(*)
      into state, waiting_for, since, release_by, detail, v_steps, v_count
      from (select w.*, row_number() over () as n from df.waiting_leaves(p_instance) w) l;
    -- The nodes with a timeout around those leaves, and when they will fail.
    select nullif(concat_ws(' ', why_leaves.detail, string_agg(distinct format('The time of %s is up at %s; then it fails.',
               left(t.run_path, -length('.timeout.due')), df.readable_time(t.due_at)), ' ')), '')
      into detail
      from df.waiting_leaves(p_instance) w, df.paths_above(w.path) a(path)
      join df.node_runs t on t.instance_id = p_instance and t.run_path = a.path || '.timeout.due'
     where t.status = 'waiting';
    if v_count > c_most then
        waiting_for := waiting_for || format('; and %s more', v_count - c_most);
    end if;
    if v_steps and exists (select from pg_roles r where r.oid = p_role)
       and (to_regrole(df.step_login_name(p_role)::text) is null or not has_schema_privilege(p_role, 'df', 'usage')) then
        state := 'stalled';
        detail := concat_ws(' ', detail, format('Role %s is not granted the use of df any more, or has no step login.', p_role::regrole));
        release_by := concat_ws(E'\n', release_by, format('SELECT df.grant_usage(%L);',
            (select r.rolname from pg_roles r where r.oid = p_role)));
    elsif v_steps then
        select b.blocker, b.detail into v_lock from df.blocked_steps(p_instance, p_role) b limit 1;
        if found then
            detail := concat_ws(' ', detail, v_lock.detail);
            release_by := nullif(concat_ws(E'\n', release_by, case when v_lock.blocker <> 0
                then format('SELECT pg_terminate_backend(%s);', v_lock.blocker) end), '');
        end if;
    end if;
end
$$;
ALTER FUNCTION df.why_leaves(p_instance text, p_role oid, OUT state text, OUT waiting_for text, OUT since timestamp with time zone, OUT release_by text, OUT detail text) OWNER TO df_owner;
CREATE FUNCTION df.woken_since(p_instance text, p_name text, p_since timestamp with time zone) RETURNS text[]
    LANGUAGE sql
    AS $$
    select coalesce(array_agg(r.run_path order by r.run_path), '{}') from df.node_runs r
     where r.instance_id = p_instance and r.signal_name = p_name and r.status = 'completed' and r.ended_at >= p_since
$$;
ALTER FUNCTION df.woken_since(p_instance text, p_name text, p_since timestamp with time zone) OWNER TO df_owner;
CREATE FUNCTION df.write_setting(p_name text, p_value text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_setting record;
begin
    select s.kind, s.least, s.most into v_setting from df.setting_values s where s.name = p_name;
    if not found then
        raise exception 'unknown setting %', coalesce(quote_literal(p_name), 'NULL')
            using errcode = '22023', hint = 'SELECT * FROM df.settings lists them.';
    end if;
    if p_value is not null and not (case
        when v_setting.kind = 'list' then true
        when v_setting.kind = 'boolean' then lower(p_value) in ('true', 'false', 'on', 'off')
        when p_value ~ case v_setting.kind when 'integer' then '^[0-9]{1,15}$' else E'^[0-9]{1,12}(\\.[0-9]{1,6})?$' end
            then p_value::numeric between v_setting.least and v_setting.most
        else false end)
    then
        raise exception 'setting % takes %, not %', p_name,
            case v_setting.kind when 'boolean' then 'a boolean'
                 else format('%s from %s to %s',
                             case v_setting.kind when 'integer' then 'an integer' else 'a number' end,
                             v_setting.least, v_setting.most) end,
            quote_literal(p_value) using errcode = '22023';
    end if;
    update df.setting_values s
       set value = case when v_setting.kind = 'boolean' and p_value is not null
                        then (lower(p_value) in ('true', 'on'))::text
                        else p_value end
     where s.name = p_name;
end
$_$;
ALTER FUNCTION df.write_setting(p_name text, p_value text) OWNER TO df_owner;
CREATE OPERATOR public.!> (
    FUNCTION = df.if_else,
    LEFTARG = text,
    RIGHTARG = text
);
ALTER OPERATOR public.!> (text, text) OWNER TO df_owner;
CREATE OPERATOR public.& (
    FUNCTION = df."join",
    LEFTARG = text,
    RIGHTARG = text
);
ALTER OPERATOR public.& (text, text) OWNER TO df_owner;
CREATE OPERATOR public.?> (
    FUNCTION = df.if_then,
    LEFTARG = text,
    RIGHTARG = text
);
ALTER OPERATOR public.?> (text, text) OWNER TO df_owner;
CREATE OPERATOR public.@> (
    FUNCTION = df.loop_forever,
    RIGHTARG = text
);
ALTER OPERATOR public.@> (NONE, text) OWNER TO df_owner;
CREATE OPERATOR public.| (
    FUNCTION = df.race,
    LEFTARG = text,
    RIGHTARG = text
);
ALTER OPERATOR public.| (text, text) OWNER TO df_owner;
CREATE OPERATOR public.|=> (
    FUNCTION = df."as",
    LEFTARG = text,
    RIGHTARG = text
);
ALTER OPERATOR public.|=> (text, text) OWNER TO df_owner;
CREATE OPERATOR public.~> (
    FUNCTION = df.seq,
    LEFTARG = text,
    RIGHTARG = text
);
ALTER OPERATOR public.~> (text, text) OWNER TO df_owner;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE app.effects (
    label text
);
ALTER TABLE app.effects OWNER TO postgres;
CREATE TABLE app.gate (
    n integer
);
ALTER TABLE app.gate OWNER TO postgres;
CREATE TABLE app.switch (
    on_ integer
);
ALTER TABLE app.switch OWNER TO postgres;
CREATE SEQUENCE app.tries
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER TABLE app.tries OWNER TO postgres;
CREATE TABLE df.clock_override (
    singleton boolean DEFAULT true NOT NULL,
    shift interval NOT NULL,
    CONSTRAINT clock_override_singleton_check CHECK (singleton)
);
ALTER TABLE ONLY df.clock_override FORCE ROW LEVEL SECURITY;
ALTER TABLE df.clock_override OWNER TO df_owner;
CREATE TABLE df.granted_roles (
    role_oid oid NOT NULL,
    login name NOT NULL,
    password text NOT NULL,
    granted_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ONLY df.granted_roles FORCE ROW LEVEL SECURITY;
ALTER TABLE df.granted_roles OWNER TO df_owner;
CREATE TABLE df.graphs (
    id bigint NOT NULL,
    owner regrole DEFAULT (quote_ident((CURRENT_USER)::text))::regrole NOT NULL,
    hash bytea NOT NULL,
    graph text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    doomed_xid xid8,
    doomed_while text[],
    CONSTRAINT graphs_hash_is_sha256 CHECK ((octet_length(hash) = 32))
);
ALTER TABLE ONLY df.graphs FORCE ROW LEVEL SECURITY;
ALTER TABLE df.graphs OWNER TO df_owner;
ALTER TABLE df.graphs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME df.graphs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE df.instances (
    id text DEFAULT df.new_instance_id() NOT NULL COLLATE pg_catalog."C",
    label df.label,
    root_node text COLLATE pg_catalog."C",
    submitted_by regrole DEFAULT (quote_ident((CURRENT_USER)::text))::regrole NOT NULL,
    status df.instance_status DEFAULT 'pending'::text NOT NULL,
    database text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    completed_at timestamp with time zone,
    graph_id bigint NOT NULL,
    vars json,
    once_key text,
    epoch bigint DEFAULT 0 NOT NULL,
    owner uuid,
    wake_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    paused_at timestamp with time zone,
    ended_at timestamp with time zone,
    ending_xid xid8,
    result json,
    error text,
    error_sqlstate text,
    error_path text,
    executions bigint DEFAULT 1 NOT NULL,
    min_version integer DEFAULT 1 NOT NULL
)
WITH (fillfactor='90');
ALTER TABLE ONLY df.instances FORCE ROW LEVEL SECURITY;
ALTER TABLE df.instances OWNER TO df_owner;
CREATE TABLE df.meta (
    key text NOT NULL,
    value text NOT NULL
);
ALTER TABLE ONLY df.meta FORCE ROW LEVEL SECURITY;
ALTER TABLE df.meta OWNER TO df_owner;
CREATE TABLE df.node_runs (
    instance_id text NOT NULL COLLATE pg_catalog."C",
    run_path text NOT NULL COLLATE pg_catalog."C",
    status df.run_status NOT NULL,
    attempt integer DEFAULT 1 NOT NULL,
    turn integer,
    epoch bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    due_at timestamp with time zone,
    signal_name text,
    sqlstate text,
    error text,
    result json,
    detail json
)
WITH (fillfactor='90');
ALTER TABLE ONLY df.node_runs FORCE ROW LEVEL SECURITY;
ALTER TABLE df.node_runs OWNER TO df_owner;
CREATE VIEW df.nodes WITH (security_barrier='true') AS
 SELECT s.id,
    i.id AS instance_id,
    s.node_type,
    s.query,
    s.result_name,
    s.left_node,
    s.right_node,
    s.status,
    s.result,
    s.error,
    i.submitted_by,
    i.database,
    df.status_details(s.status, s.path, s.run_path, s.attempt, s.run_status, s.iteration, s.due_at, s.signal_name, s.sqlstate) AS status_details,
    i.created_at,
    s.updated_at
   FROM df.instances i,
    LATERAL df.node_states(i.id) s(path, id, parent_id, node_type, query, result_name, left_node, right_node, status, result, error, sqlstate, inferred_status, inferred_status_from_ancestor_id, updated_at, attempt, run_path, run_status, iteration, due_at, signal_name)
  WHERE (((i.submitted_by)::oid = (( SELECT (quote_ident((CURRENT_USER)::text))::regrole AS quote_ident))::oid) OR ( SELECT df.is_admin(((quote_ident((CURRENT_USER)::text))::regrole)::oid) AS is_admin));
ALTER TABLE df.nodes OWNER TO df_owner;
CREATE TABLE df.outbox (
    event_id text NOT NULL COLLATE pg_catalog."C",
    instance_id text NOT NULL COLLATE pg_catalog."C",
    kind df.event_kind NOT NULL,
    key df.event_key,
    payload df.event_payload,
    submitted_by regrole DEFAULT (quote_ident((CURRENT_USER)::text))::regrole NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    delivered_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    retry_at timestamp with time zone,
    parked_at timestamp with time zone,
    last_error text,
    queued boolean DEFAULT false NOT NULL
)
WITH (fillfactor='45');
ALTER TABLE ONLY df.outbox FORCE ROW LEVEL SECURITY;
ALTER TABLE df.outbox OWNER TO df_owner;
CREATE VIEW df.outbox_lag WITH (security_barrier='true') AS
 WITH waiting AS (
         SELECT i.submitted_by,
            i.created_at,
            false AS parked
           FROM unnest(df.visible_submitters()) s(role),
            LATERAL ( SELECT i_1.submitted_by,
                    i_1.created_at
                   FROM df.instances i_1
                  WHERE (((i_1.submitted_by)::oid = s.role) AND (i_1.owner IS NULL) AND (i_1.ended_at IS NULL) AND (i_1.paused_at IS NULL) AND (i_1.wake_at <= ( SELECT clock_timestamp() AS clock_timestamp)) AND (i_1.epoch = 0))
                  ORDER BY i_1.wake_at
                 LIMIT 1000000) i
        UNION ALL
         SELECT o.submitted_by,
            o.created_at,
            false
           FROM df.outbox o
          WHERE (o.queued AND (o.parked_at IS NULL))
        UNION ALL
         SELECT o.submitted_by,
            o.created_at,
            true
           FROM df.outbox o
          WHERE (o.parked_at IS NOT NULL)
        )
 SELECT w.submitted_by,
    count(*) FILTER (WHERE (NOT w.parked)) AS undelivered,
    min(w.created_at) FILTER (WHERE (NOT w.parked)) AS oldest_created_at,
    (clock_timestamp() - min(w.created_at) FILTER (WHERE (NOT w.parked))) AS oldest_age,
    count(*) FILTER (WHERE w.parked) AS parked
   FROM waiting w
  WHERE (((w.submitted_by)::oid = (( SELECT (quote_ident((CURRENT_USER)::text))::regrole AS quote_ident))::oid) OR ( SELECT df.is_admin(((quote_ident((CURRENT_USER)::text))::regrole)::oid) AS is_admin))
  GROUP BY w.submitted_by;
ALTER TABLE df.outbox_lag OWNER TO df_owner;
CREATE VIEW df.parked_events WITH (security_barrier='true') AS
 WITH undelivered AS (
         SELECT 'parked'::text AS state,
            o.event_id,
            o.instance_id,
            o.kind,
            o.key,
            o.payload,
            o.submitted_by,
            o.created_at,
            o.delivered_at,
            o.attempts,
            o.retry_at,
            o.parked_at,
            o.last_error,
            o.queued
           FROM df.outbox o
          WHERE (o.parked_at IS NOT NULL)
        UNION ALL
         SELECT 'retrying'::text,
            o.event_id,
            o.instance_id,
            o.kind,
            o.key,
            o.payload,
            o.submitted_by,
            o.created_at,
            o.delivered_at,
            o.attempts,
            o.retry_at,
            o.parked_at,
            o.last_error,
            o.queued
           FROM df.outbox o
          WHERE (o.queued AND (o.parked_at IS NULL) AND (o.attempts > 0))
        )
 SELECT u.event_id,
    u.instance_id,
    u.kind,
    u.state,
    u.attempts,
    u.last_error,
    u.created_at,
    u.parked_at,
        CASE u.state
            WHEN 'retrying'::text THEN u.retry_at
            ELSE NULL::timestamp with time zone
        END AS retry_at,
    format('SELECT df.release(%L);'::text, u.event_id) AS release_by,
    u.submitted_by
   FROM undelivered u
  WHERE (((u.submitted_by)::oid = (( SELECT (quote_ident((CURRENT_USER)::text))::regrole AS quote_ident))::oid) OR ( SELECT df.is_admin(((quote_ident((CURRENT_USER)::text))::regrole)::oid) AS is_admin));
ALTER TABLE df.parked_events OWNER TO df_owner;
CREATE SEQUENCE df.relay_idle
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER TABLE df.relay_idle OWNER TO df_owner;
CREATE TABLE df.relays (
    incarnation uuid NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    heartbeat_at timestamp with time zone DEFAULT now() NOT NULL,
    lease_until timestamp with time zone NOT NULL,
    version text NOT NULL,
    runs_version integer DEFAULT 1 NOT NULL,
    idle boolean DEFAULT false NOT NULL,
    poll_interval_ms integer NOT NULL,
    backend_pid integer DEFAULT pg_backend_pid() NOT NULL
);
ALTER TABLE ONLY df.relays FORCE ROW LEVEL SECURITY;
ALTER TABLE df.relays OWNER TO df_owner;
CREATE TABLE df.setting_values (
    name text NOT NULL,
    value text,
    default_value text NOT NULL,
    kind text NOT NULL,
    meaning text NOT NULL,
    "least" numeric,
    most numeric,
    CONSTRAINT numbers_have_a_range CHECK (((kind <> ALL (ARRAY['integer'::text, 'number'::text])) OR (("least" IS NOT NULL) AND (most IS NOT NULL) AND ("least" <= most)))),
    CONSTRAINT setting_values_kind_check CHECK ((kind = ANY (ARRAY['boolean'::text, 'integer'::text, 'number'::text, 'list'::text])))
);
ALTER TABLE ONLY df.setting_values FORCE ROW LEVEL SECURITY;
ALTER TABLE df.setting_values OWNER TO df_owner;
CREATE VIEW df.settings WITH (security_barrier='true') AS
 SELECT s.name,
    COALESCE(s.value, s.default_value) AS value,
    s.default_value,
    s.kind,
    s.meaning,
    s."least",
    s.most
   FROM df.setting_values s
  WHERE ( SELECT df.is_admin(((quote_ident((CURRENT_USER)::text))::regrole)::oid) AS is_admin)
UNION ALL
 SELECT f.name,
    f.value,
    f.value AS default_value,
    'fixed'::text AS kind,
    f.meaning,
    NULL::numeric AS "least",
    NULL::numeric AS most
   FROM ( VALUES ('max_label_bytes'::text,'4096'::text,'The largest label, in bytes.'::text), ('max_start_key_bytes'::text,'1024'::text,'The largest key of df.start_once, in bytes.'::text), ('max_graph_nodes'::text,'10000'::text,'The most nodes of a graph.'::text), ('max_graph_depth'::text,'256'::text,'The most edges from a graph''s root to a leaf.'::text), ('max_variable_name_bytes'::text,'1024'::text,'The largest name of a variable, in bytes.'::text), ('max_variable_bytes'::text,'1048576'::text,'The largest value of a variable, in bytes.'::text), ('max_signal_name_bytes'::text,'1024'::text,'The largest name of a signal, sent or waited for, in bytes.'::text), ('max_signal_key_bytes'::text,'1000'::text,'The largest key of df.signal_once, in bytes.'::text), ('max_cancel_reason_characters'::text,'10000'::text,'The longest reason of df.cancel, in characters; what is longer is cut.'::text), ('max_sleep_seconds'::text,'100000000000'::text,'The longest sleep, and the longest timeout of a node or a signal''s wait, in seconds.'::text), ('max_retry_attempts'::text,'1000000'::text,'The most attempts of df.retry_policy.'::text), ('max_retry_factor'::text,'1000'::text,'The largest factor of df.retry_policy.'::text), ('max_retry_seconds'::text,'100000000'::text,'The longest pause between attempts of df.retry_policy, in seconds.'::text), ('max_expanded_rows'::text,'10000'::text,'The most rows of a result that $name.* puts into a statement.'::text), ('max_result_depth'::text,'1000'::text,'How deep the JSON of a result may nest.'::text), ('max_substituted_bytes'::text,'67108864'::text,'The largest statement or request after substitution, in bytes.'::text)) f(name, value, meaning)
  WHERE ( SELECT df.is_admin(((quote_ident((CURRENT_USER)::text))::regrole)::oid) AS is_admin);
ALTER TABLE df.settings OWNER TO df_owner;
CREATE SEQUENCE df.signal_numbers
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER TABLE df.signal_numbers OWNER TO df_owner;
CREATE TABLE df.signals (
    instance_id text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    n bigint DEFAULT nextval('df.signal_numbers'::regclass) NOT NULL,
    name text NOT NULL,
    data json,
    submitted_by regrole DEFAULT (quote_ident((CURRENT_USER)::text))::regrole NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    consumed_at timestamp with time zone,
    consumed_by text COLLATE pg_catalog."C",
    CONSTRAINT signals_data_size CHECK ((octet_length((data)::text) <= 16777216)),
    CONSTRAINT signals_key_size CHECK ((octet_length(key) <= 1024)),
    CONSTRAINT signals_name_size CHECK ((octet_length(name) <= 1024))
);
ALTER TABLE ONLY df.signals FORCE ROW LEVEL SECURITY;
ALTER TABLE df.signals OWNER TO df_owner;
CREATE SEQUENCE df.start_asks
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER TABLE df.start_asks OWNER TO df_owner;
CREATE TABLE df.usage_granted (
    role_oid oid NOT NULL,
    granter_oid oid NOT NULL,
    http boolean NOT NULL,
    with_grant boolean NOT NULL
);
ALTER TABLE ONLY df.usage_granted FORCE ROW LEVEL SECURITY;
ALTER TABLE df.usage_granted OWNER TO df_owner;
CREATE TABLE df.vars (
    name text NOT NULL,
    value text,
    owner regrole DEFAULT (quote_ident((CURRENT_USER)::text))::regrole NOT NULL,
    CONSTRAINT vars_name_size CHECK (((octet_length(name) >= 1) AND (octet_length(name) <= 1024))),
    CONSTRAINT vars_value_size CHECK ((octet_length(value) <= 1048576))
);
ALTER TABLE ONLY df.vars FORCE ROW LEVEL SECURITY;
ALTER TABLE df.vars OWNER TO df_owner;
INSERT INTO app.effects VALUES ('seq a');
INSERT INTO app.effects VALUES ('sig a');
INSERT INTO app.effects VALUES ('timer a');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('loop');
INSERT INTO app.effects VALUES ('race won');
INSERT INTO app.effects VALUES ('join a');
INSERT INTO app.effects VALUES ('fail a');
INSERT INTO app.effects VALUES ('left a');
INSERT INTO app.effects VALUES ('timed a');
INSERT INTO app.effects VALUES ('paused a');
INSERT INTO app.effects VALUES ('cancelled a');
INSERT INTO app.effects VALUES ('completed a');
INSERT INTO app.gate VALUES (1);
INSERT INTO app.switch VALUES (0);
INSERT INTO df.granted_roles VALUES (16865, 'df_step_16864_16865', 'a6a2ff2e1cd744a88055ce8c3aacf723acc5eeecbe164715a8f8a6e969f65145', '2026-11-23 15:19:10.691255+00');
INSERT INTO df.graphs OVERRIDING SYSTEM VALUE VALUES (1, '@alice@', '\xd2bfb9e8cd7f74b0fd0b79b1757ce6185b6850adb7bad652daed9ebb85df1b57', '{"node_type":"THEN","left_node":{"node_type":"THEN","left_node":{"node_type":"SQL","query":"insert into app.effects values (''seq a'')"},"right_node":{"node_type":"SQL","query":"insert into app.effects select ''seq b'' from app.gate for update"}},"right_node":{"node_type":"SQL","query":"insert into app.effects values (''seq c'')"}}', '2026-11-23 15:19:10.911886+00', NULL, NULL);
INSERT INTO df.graphs OVERRIDING SYSTEM VALUE VALUES (2, '@alice@', '\xa76fe5c0e45eb549b82e2af421c967d6abc48c5482e7968d344a0dec28e6694f', '{"node_type":"THEN","left_node":{"node_type":"THEN","result_name":"s","left_node":{"node_type":"SQL","query":"insert into app.effects values (''sig a'')"},"right_node":{"node_type":"SIGNAL","query":"{\"signal_name\":\"go\",\"timeout_seconds\":null}"}},"right_node":{"node_type":"SQL","query":"insert into app.effects select $s.data"}}', '2026-11-23 15:19:12.021392+00', NULL, NULL);
INSERT INTO df.graphs OVERRIDING SYSTEM VALUE VALUES (3, '@alice@', '\x3c4bd34513bf0e9f38fa005b1ee2e55dca1e2dba2b561764cec2ae44455ef34c', '{"node_type":"THEN","left_node":{"node_type":"THEN","left_node":{"node_type":"SQL","query":"insert into app.effects values (''timer a'')"},"right_node":{"node_type":"SLEEP","query":"3600"}},"right_node":{"node_type":"SQL","query":"insert into app.effects values (''timer b'')"}}', '2026-11-23 15:19:12.290615+00', NULL, NULL);
INSERT INTO df.graphs OVERRIDING SYSTEM VALUE VALUES (4, '@alice@', '\xd9271b59d26c65f2037b87644c9ab8535026d07271632172faf7d2d7974bc789', '{"node_type":"THEN","left_node":{"node_type":"LOOP","condition_node":{"node_type":"SQL","query":"select count(*) < 60 from app.effects where label = ''loop''"},"left_node":{"node_type":"THEN","left_node":{"node_type":"SQL","query":"insert into app.effects values (''loop'')"},"right_node":{"node_type":"IF","condition_node":{"node_type":"SQL","query":"select count(*) = 40 from app.effects where label = ''loop''"},"left_node":{"node_type":"SLEEP","query":"3600"},"right_node":{"node_type":"SQL","query":"select 1"}}}},"right_node":{"node_type":"SQL","query":"insert into app.effects values (''loop done'')"}}', '2026-11-23 15:19:12.349421+00', NULL, NULL);
INSERT INTO df.graphs OVERRIDING SYSTEM VALUE VALUES (5, '@alice@', '\x82313ba8514ec91839709d44fa0fd2eb6f2b83980cfdb526909d1f8b244473e7', '{"node_type":"THEN","left_node":{"node_type":"THEN","left_node":{"node_type":"RACE","left_node":{"node_type":"SQL","query":"insert into app.effects values (''race won'')"},"right_node":{"node_type":"SIGNAL","query":"{\"signal_name\":\"never\",\"timeout_seconds\":null}"}},"right_node":{"node_type":"SIGNAL","query":"{\"signal_name\":\"on\",\"timeout_seconds\":null}"}},"right_node":{"node_type":"SQL","query":"insert into app.effects values (''race after'')"}}', '2026-11-23 15:19:13.262499+00', NULL, NULL);
INSERT INTO df.graphs OVERRIDING SYSTEM VALUE VALUES (6, '@alice@', '\x67cd15fb840f254a695ef439e1ab32b9d73f6a233a5da7e75a4be7ced15149e6', '{"node_type":"RACE","left_node":{"node_type":"THEN","left_node":{"node_type":"SLEEP","query":"3600"},"right_node":{"node_type":"SQL","query":"insert into app.effects values (''race slow'')"}},"right_node":{"node_type":"THEN","left_node":{"node_type":"SIGNAL","query":"{\"signal_name\":\"never\",\"timeout_seconds\":null}"},"right_node":{"node_type":"SQL","query":"insert into app.effects values (''race never'')"}}}', '2026-11-23 15:19:13.322687+00', NULL, NULL);
INSERT INTO df.graphs OVERRIDING SYSTEM VALUE VALUES (7, '@alice@', '\xd0a9fabcabd0b1b7ced588814ab009b2f86f82553e4e30a137c8edfb96e1418f', '{"node_type":"THEN","left_node":{"node_type":"JOIN","left_node":{"node_type":"SQL","query":"insert into app.effects values (''join a'')"},"right_node":{"node_type":"THEN","left_node":{"node_type":"SIGNAL","query":"{\"signal_name\":\"join\",\"timeout_seconds\":null}"},"right_node":{"node_type":"SQL","query":"insert into app.effects values (''join b'')"}}},"right_node":{"node_type":"SQL","query":"insert into app.effects values (''join c'')"}}', '2026-11-23 15:19:13.367703+00', NULL, NULL);
INSERT INTO df.graphs OVERRIDING SYSTEM VALUE VALUES (8, '@alice@', '\x1c4968c8d246139e4e3cf8979540fd556116d5373a18da622d6469345e6d64ae', '{"node_type":"THEN","left_node":{"node_type":"THEN","left_node":{"node_type":"SQL","query":"insert into app.effects values (''fail a'')"},"right_node":{"node_type":"SQL","query":"insert into app.effects select ''fail b'' where 1 / (select on_ from app.switch) = 1"}},"right_node":{"node_type":"SQL","query":"insert into app.effects values (''fail c'')"}}', '2026-11-23 15:19:13.608808+00', NULL, NULL);
INSERT INTO df.graphs OVERRIDING SYSTEM VALUE VALUES (9, '@alice@', '\x8b6e302942a34b6244d917487c2829f9f0116764db79b159eda385dea5fb3a51', '{"node_type":"THEN","left_node":{"node_type":"SQL","query":"insert into app.effects values (''left a'')"},"right_node":{"node_type":"SQL","query":"select 1 / 0"}}', '2026-11-23 15:19:13.644842+00', NULL, NULL);
INSERT INTO df.graphs OVERRIDING SYSTEM VALUE VALUES (10, '@alice@', '\x494ba016d1e840f42d7a2967d3c48e202d6e8cc03bd062521e33f920449b2313', '{"node_type":"THEN","left_node":{"node_type":"SQL","query":"insert into app.effects select ''tried''\n                      where 1 / (case when nextval(''app.tries'') >= 3 then 1 else 0 end) = 1","retry":{"max_attempts":5,"initial_seconds":1800,"factor":1,"max_seconds":300,"on_sqlstate":null}},"right_node":{"node_type":"SQL","query":"insert into app.effects values (''tried after'')"}}', '2026-11-23 15:19:13.693819+00', NULL, NULL);
INSERT INTO df.graphs OVERRIDING SYSTEM VALUE VALUES (11, '@alice@', '\x131059394067623beae041a9825222463b2f375b34ad74654cb89de3368757b8', '{"node_type":"THEN","left_node":{"node_type":"THEN","left_node":{"node_type":"SQL","query":"insert into app.effects values (''timed a'')"},"right_node":{"node_type":"SIGNAL","query":"{\"signal_name\":\"timed\",\"timeout_seconds\":null}"},"node_timeout_seconds":3000000000},"right_node":{"node_type":"SQL","query":"insert into app.effects values (''timed b'')"}}', '2026-11-23 15:19:13.752463+00', NULL, NULL);
INSERT INTO df.graphs OVERRIDING SYSTEM VALUE VALUES (12, '@alice@', '\x1cd2e475bb01341f90d92b387e3b77e675c0b164f7d9132ae8613d24e7d5e3fb', '{"node_type":"THEN","left_node":{"node_type":"SIGNAL","query":"{\"signal_name\":\"parked\",\"timeout_seconds\":null}"},"right_node":{"node_type":"SQL","query":"insert into app.effects values (''parked a'')"}}', '2026-11-23 15:19:13.785417+00', NULL, NULL);
INSERT INTO df.graphs OVERRIDING SYSTEM VALUE VALUES (13, '@alice@', '\x9d7f2573f476a5184db5f1192217922fbafdbb04ab62b7eb89640877cd23de06', '{"node_type":"THEN","left_node":{"node_type":"THEN","left_node":{"node_type":"SQL","query":"insert into app.effects values (''paused a'')"},"right_node":{"node_type":"SLEEP","query":"3600"}},"right_node":{"node_type":"SQL","query":"insert into app.effects values (''paused b'')"}}', '2026-11-23 15:19:13.816665+00', NULL, NULL);
INSERT INTO df.graphs OVERRIDING SYSTEM VALUE VALUES (14, '@alice@', '\x74a87b981972748dbe6fa8ac1179723c6016d52c5a4804cd10d120200df7e7f2', '{"node_type":"THEN","left_node":{"node_type":"SQL","query":"insert into app.effects values (''cancelled a'')"},"right_node":{"node_type":"SIGNAL","query":"{\"signal_name\":\"never\",\"timeout_seconds\":null}"}}', '2026-11-23 15:19:13.866402+00', NULL, NULL);
INSERT INTO df.graphs OVERRIDING SYSTEM VALUE VALUES (15, '@alice@', '\x1efc7fff3f55410de9a4fffe427eb002f7ed5aad8ed4bc96dfc7f562aa09db71', '{"node_type":"THEN","left_node":{"node_type":"SQL","query":"insert into app.effects values (''completed a'')","result_name":"x"},"right_node":{"node_type":"SQL","query":"select 7 as n"}}', '2026-11-23 15:19:13.941952+00', NULL, NULL);
INSERT INTO df.graphs OVERRIDING SYSTEM VALUE VALUES (16, '@alice@', '\x01bc6a45ebfcb7d1a59a208e07e5cc1cb13c8b6e86a66937165cd245c8f28cc9', '{"node_type":"THEN","left_node":{"node_type":"SQL","query":"insert into app.effects values (''pending a'')"},"right_node":{"node_type":"SQL","query":"insert into app.effects values (''pending b'')"}}', '2026-11-23 15:19:14.014316+00', NULL, NULL);
INSERT INTO df.instances VALUES ('4jGBdcsj', 'mid sequence', '4jGBdcsj:root', '@alice@', 'running', NULL, '2026-11-23 15:19:10.911886+00', '2026-11-23 15:19:11.947529+00', NULL, 1, NULL, NULL, 1, 'c3d06002-1b6c-bcae-bba2-b034e689420a', '2026-11-23 15:19:10.965412+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, 1);
INSERT INTO df.instances VALUES ('4jGtiEWT', 'signal', '4jGtiEWT:root', '@alice@', 'running', NULL, '2026-11-23 15:19:12.021392+00', '2026-11-23 15:19:12.040292+00', NULL, 2, NULL, NULL, 1, NULL, 'infinity', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, 1);
INSERT INTO df.instances VALUES ('4jGVgEng', 'timer', '4jGVgEng:root', '@alice@', 'running', NULL, '2026-11-23 15:19:12.290615+00', '2026-11-23 15:19:12.304467+00', NULL, 3, NULL, NULL, 1, NULL, '2026-11-23 16:19:12.316628+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, 1);
INSERT INTO df.instances VALUES ('4jG8zX4e', 'loop', '4jG8zX4e:root', '@alice@', 'running', NULL, '2026-11-23 15:19:12.349421+00', '2026-11-23 15:19:12.368088+00', NULL, 4, NULL, NULL, 1, NULL, '2026-11-23 16:19:13.229565+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 2, 1);
INSERT INTO df.instances VALUES ('4jGtVZtq', 'race decided', '4jGtVZtq:root', '@alice@', 'running', NULL, '2026-11-23 15:19:13.262499+00', '2026-11-23 15:19:13.272824+00', NULL, 5, NULL, NULL, 1, NULL, 'infinity', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, 1);
INSERT INTO df.instances VALUES ('4jGNkZD6', 'race open', '4jGNkZD6:root', '@alice@', 'running', NULL, '2026-11-23 15:19:13.322687+00', '2026-11-23 15:19:13.332748+00', NULL, 6, NULL, NULL, 1, NULL, '2026-11-23 16:19:13.342749+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, 1);
INSERT INTO df.instances VALUES ('4jGTKaDR', 'join', '4jGTKaDR:root', '@alice@', 'running', NULL, '2026-11-23 15:19:13.367703+00', '2026-11-23 15:19:13.37963+00', NULL, 7, NULL, NULL, 1, NULL, 'infinity', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, 1);
INSERT INTO df.instances VALUES ('4jGDjaZS', 'failed', '4jGDjaZS:root', '@alice@', 'failed', NULL, '2026-11-23 15:19:13.608808+00', '2026-11-23 15:19:13.633232+00', NULL, 8, NULL, NULL, 1, NULL, '2026-11-23 15:19:13.611802+00', NULL, '2026-11-23 15:19:13.633232+00', '937', NULL, 'division by zero', '22012', 'root.left.right', 1, 1);
INSERT INTO df.instances VALUES ('4jGJysAF', 'left failed', '4jGJysAF:root', '@alice@', 'failed', NULL, '2026-11-23 15:19:13.644842+00', '2026-11-23 15:19:13.670871+00', NULL, 9, NULL, NULL, 1, NULL, '2026-11-23 15:19:13.646245+00', NULL, '2026-11-23 15:19:13.670871+00', '942', NULL, 'division by zero', '22012', 'root.right', 1, 1);
INSERT INTO df.instances VALUES ('4jGzbX3s', 'attempts', '4jGzbX3s:root', '@alice@', 'running', NULL, '2026-11-23 15:19:13.693819+00', '2026-11-23 15:19:13.706991+00', NULL, 10, NULL, NULL, 1, NULL, '2026-11-23 15:24:13.718451+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, 1);
INSERT INTO df.instances VALUES ('4jGGzmRg', 'timed', '4jGGzmRg:root', '@alice@', 'running', NULL, '2026-11-23 15:19:13.752463+00', '2026-11-23 15:19:13.76189+00', NULL, 11, NULL, NULL, 1, NULL, '2121-12-17 20:39:13.770071+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, 1);
INSERT INTO df.instances VALUES ('4jGylq8r', 'parked event', '4jGylq8r:root', '@alice@', 'running', NULL, '2026-11-23 15:19:13.785417+00', '2026-11-23 15:19:13.79301+00', NULL, 12, NULL, NULL, 1, NULL, 'infinity', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, 1);
INSERT INTO df.instances VALUES ('4jGnWaZ3', 'cancelled', '4jGnWaZ3:root', '@alice@', 'cancelled', NULL, '2026-11-23 15:19:13.866402+00', '2026-11-23 15:19:13.934807+00', NULL, 14, NULL, NULL, 1, NULL, 'infinity', NULL, '2026-11-23 15:19:13.934807+00', '968', NULL, 'enough', NULL, NULL, 1, 1);
INSERT INTO df.instances VALUES ('4jGrAWRg', 'completed', '4jGrAWRg:root', '@alice@', 'completed', NULL, '2026-11-23 15:19:13.941952+00', '2026-11-23 15:19:13.964728+00', '2026-11-23 15:19:13.964728+00', 15, NULL, NULL, 1, NULL, '2026-11-23 15:19:13.943628+00', NULL, '2026-11-23 15:19:13.964728+00', '973', '{"rows":[{"n":7}],"row_count":1}', NULL, NULL, NULL, 1, 1);
INSERT INTO df.instances VALUES ('4jGEfCyf', 'pending', '4jGEfCyf:root', '@alice@', 'pending', NULL, '2026-11-23 15:19:14.014316+00', '2026-11-23 15:19:14.014316+00', NULL, 16, NULL, NULL, 0, NULL, '2026-11-23 15:19:14.017506+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, 1);
INSERT INTO df.instances VALUES ('4jG98efr', 'paused', '4jG98efr:root', '@alice@', 'running', NULL, '2026-11-23 15:19:13.816665+00', '2026-11-23 15:19:14.032856+00', NULL, 13, NULL, NULL, 1, NULL, '2026-11-23 16:19:13.83269+00', '2026-11-23 15:19:14.032856+00', NULL, NULL, NULL, NULL, NULL, NULL, 1, 1);
INSERT INTO df.meta VALUES ('installation', '11f88b87-af84-4060-a0f4-b9bda00c3530');
INSERT INTO df.meta VALUES ('content_hash', 'f6c65f594c482c15dc6c871d5b1060c798c24ba2be07052bb24219ffcbb0228e');
INSERT INTO df.meta VALUES ('installed_by_version', '0.1.0');
INSERT INTO df.meta VALUES ('operator_schema', 'public');
INSERT INTO df.meta VALUES ('schema_version', '1');
INSERT INTO df.meta VALUES ('place', '7711386785104402612/16864');
INSERT INTO df.node_runs VALUES ('4jGBdcsj', 'root.left.left', 'completed', 1, NULL, 1, '2026-11-23 15:19:11.991261+00', '2026-11-23 15:19:12.004535+00', NULL, NULL, NULL, NULL, '{"rows":[],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jGtiEWT', 'root.left.left', 'completed', 1, NULL, 1, '2026-11-23 15:19:12.087331+00', '2026-11-23 15:19:12.126686+00', NULL, NULL, NULL, NULL, '{"rows":[],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jGtiEWT', 'root.left.right', 'waiting', 1, NULL, 1, '2026-11-23 15:19:12.241268+00', NULL, NULL, 'go', NULL, NULL, NULL, NULL);
INSERT INTO df.node_runs VALUES ('4jGVgEng', 'root.left.left', 'completed', 1, NULL, 1, '2026-11-23 15:19:12.309291+00', '2026-11-23 15:19:12.311317+00', NULL, NULL, NULL, NULL, '{"rows":[],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jGVgEng', 'root.left.right', 'waiting', 1, NULL, 1, '2026-11-23 15:19:12.316103+00', NULL, '2026-11-23 16:19:12.316628+00', NULL, NULL, NULL, NULL, NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[32].left', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.052256+00', '2026-11-23 15:19:13.063948+00', NULL, NULL, NULL, NULL, '{"rows":[],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left', 'checkpoint', 1, 32, 1, '2026-11-23 15:19:13.052256+00', NULL, NULL, NULL, NULL, NULL, NULL, '[]');
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[32].right.condition_node', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.073265+00', '2026-11-23 15:19:13.074127+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":false}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[32].right.right', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.086613+00', '2026-11-23 15:19:13.087735+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":1}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.condition_node[32]', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.088693+00', '2026-11-23 15:19:13.094862+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":true}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[33].left', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.098297+00', '2026-11-23 15:19:13.099737+00', NULL, NULL, NULL, NULL, '{"rows":[],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[33].right.condition_node', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.104795+00', '2026-11-23 15:19:13.105565+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":false}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[33].right.right', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.108524+00', '2026-11-23 15:19:13.109887+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":1}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.condition_node[33]', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.110603+00', '2026-11-23 15:19:13.115454+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":true}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[34].left', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.121069+00', '2026-11-23 15:19:13.121985+00', NULL, NULL, NULL, NULL, '{"rows":[],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[34].right.condition_node', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.123784+00', '2026-11-23 15:19:13.126057+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":false}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[34].right.right', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.130777+00', '2026-11-23 15:19:13.131952+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":1}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.condition_node[34]', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.133913+00', '2026-11-23 15:19:13.138955+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":true}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[35].left', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.140321+00', '2026-11-23 15:19:13.144256+00', NULL, NULL, NULL, NULL, '{"rows":[],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[35].right.condition_node', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.145905+00', '2026-11-23 15:19:13.146488+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":false}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[35].right.right', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.151803+00', '2026-11-23 15:19:13.152139+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":1}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.condition_node[35]', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.15266+00', '2026-11-23 15:19:13.153003+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":true}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[36].left', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.153573+00', '2026-11-23 15:19:13.15388+00', NULL, NULL, NULL, NULL, '{"rows":[],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[36].right.condition_node', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.163272+00', '2026-11-23 15:19:13.16381+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":false}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[36].right.right', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.165644+00', '2026-11-23 15:19:13.171272+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":1}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.condition_node[36]', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.173018+00', '2026-11-23 15:19:13.175988+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":true}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[37].left', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.176734+00', '2026-11-23 15:19:13.179758+00', NULL, NULL, NULL, NULL, '{"rows":[],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[37].right.condition_node', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.181756+00', '2026-11-23 15:19:13.183403+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":false}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[37].right.right', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.184955+00', '2026-11-23 15:19:13.186686+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":1}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.condition_node[37]', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.192255+00', '2026-11-23 15:19:13.192889+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":true}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[38].left', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.19407+00', '2026-11-23 15:19:13.194542+00', NULL, NULL, NULL, NULL, '{"rows":[],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[38].right.condition_node', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.198596+00', '2026-11-23 15:19:13.200649+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":false}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[38].right.right', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.206448+00', '2026-11-23 15:19:13.206999+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":1}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.condition_node[38]', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.207606+00', '2026-11-23 15:19:13.208097+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":true}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[39].left', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.208713+00', '2026-11-23 15:19:13.208992+00', NULL, NULL, NULL, NULL, '{"rows":[],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[39].right.condition_node', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.217557+00', '2026-11-23 15:19:13.218289+00', NULL, NULL, NULL, NULL, '{"rows":[{"?column?":true}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jGtVZtq', 'root.left.left.left', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.28105+00', '2026-11-23 15:19:13.283451+00', NULL, NULL, NULL, NULL, '{"rows":[],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jGtVZtq', 'root.left.left', 'decided', 1, 0, 1, '2026-11-23 15:19:13.28105+00', '2026-11-23 15:19:13.283908+00', NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO df.node_runs VALUES ('4jGTKaDR', 'root.left.left', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.394092+00', '2026-11-23 15:19:13.394742+00', NULL, NULL, NULL, NULL, '{"rows":[],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jGDjaZS', 'root.left.left', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.62595+00', '2026-11-23 15:19:13.626668+00', NULL, NULL, NULL, NULL, '{"rows":[],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jGDjaZS', 'root.left.right', 'failed', 1, NULL, 1, '2026-11-23 15:19:13.631382+00', '2026-11-23 15:19:13.633036+00', NULL, NULL, '22012', 'division by zero', NULL, NULL);
INSERT INTO df.node_runs VALUES ('4jGJysAF', 'root.left', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.663353+00', '2026-11-23 15:19:13.665915+00', NULL, NULL, NULL, NULL, '{"rows":[],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jGJysAF', 'root.right', 'failed', 1, NULL, 1, '2026-11-23 15:19:13.66996+00', '2026-11-23 15:19:13.670814+00', NULL, NULL, '22012', 'division by zero', NULL, NULL);
INSERT INTO df.node_runs VALUES ('4jGGzmRg', 'root.left.left', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.766048+00', '2026-11-23 15:19:13.771151+00', NULL, NULL, NULL, NULL, '{"rows":[],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG98efr', 'root.left.left', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.829481+00', '2026-11-23 15:19:13.830345+00', NULL, NULL, NULL, NULL, '{"rows":[],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jGnWaZ3', 'root.left', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.882152+00', '2026-11-23 15:19:13.88277+00', NULL, NULL, NULL, NULL, '{"rows":[],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jGrAWRg', 'root.left', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.95348+00', '2026-11-23 15:19:13.956658+00', NULL, NULL, NULL, NULL, '{"rows":[],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jGrAWRg', 'root.right', 'completed', 1, NULL, 1, '2026-11-23 15:19:13.961657+00', '2026-11-23 15:19:13.964728+00', NULL, NULL, NULL, NULL, '{"rows":[{"n":7}],"row_count":1}', NULL);
INSERT INTO df.node_runs VALUES ('4jG8zX4e', 'root.left.body[39].right.left', 'waiting', 1, NULL, 1, '2026-11-23 15:19:13.223581+00', NULL, '2026-11-23 16:19:13.229565+00', NULL, NULL, NULL, NULL, '{"within" : ["root.left"], "turns" : [39], "decides" : [], "ends" : null}');
INSERT INTO df.node_runs VALUES ('4jGtVZtq', 'root.left.left.right', 'waiting', 1, NULL, 1, '2026-11-23 15:19:13.281069+00', NULL, NULL, 'never', NULL, NULL, NULL, '{"within" : ["root.left.left"], "turns" : [1], "decides" : ["root.left.left"], "ends" : null}');
INSERT INTO df.node_runs VALUES ('4jGtVZtq', 'root.left.right', 'waiting', 1, NULL, 1, '2026-11-23 15:19:13.295907+00', NULL, NULL, 'on', NULL, NULL, NULL, NULL);
INSERT INTO df.node_runs VALUES ('4jGNkZD6', 'root.left.left', 'waiting', 1, NULL, 1, '2026-11-23 15:19:13.342179+00', NULL, '2026-11-23 16:19:13.342749+00', NULL, NULL, NULL, NULL, '{"within" : ["root"], "turns" : [0], "decides" : [], "ends" : null}');
INSERT INTO df.node_runs VALUES ('4jGNkZD6', 'root.right.left', 'waiting', 1, NULL, 1, '2026-11-23 15:19:13.350126+00', NULL, NULL, 'never', NULL, NULL, NULL, '{"within" : ["root"], "turns" : [1], "decides" : [], "ends" : null}');
INSERT INTO df.node_runs VALUES ('4jGTKaDR', 'root.left.right.left', 'waiting', 1, NULL, 1, '2026-11-23 15:19:13.553497+00', NULL, NULL, 'join', NULL, NULL, NULL, NULL);
INSERT INTO df.node_runs VALUES ('4jGzbX3s', 'root.left', 'waiting', 1, NULL, 1, '2026-11-23 15:19:13.71711+00', NULL, '2026-11-23 15:24:13.718451+00', NULL, '22012', 'division by zero', NULL, NULL);
INSERT INTO df.node_runs VALUES ('4jGGzmRg', 'root.left.timeout.due', 'waiting', 1, NULL, 1, '2026-11-23 15:19:13.769146+00', NULL, '2121-12-17 20:39:13.770071+00', NULL, NULL, NULL, NULL, NULL);
INSERT INTO df.node_runs VALUES ('4jGGzmRg', 'root.left.right', 'waiting', 1, NULL, 1, '2026-11-23 15:19:13.772689+00', NULL, NULL, 'timed', NULL, NULL, NULL, '{"within" : ["root.left.timeout"], "turns" : [0], "decides" : ["root.left.timeout"], "ends" : null}');
INSERT INTO df.node_runs VALUES ('4jGylq8r', 'root.left', 'waiting', 1, NULL, 1, '2026-11-23 15:19:13.79691+00', NULL, NULL, 'parked', NULL, NULL, NULL, NULL);
INSERT INTO df.node_runs VALUES ('4jG98efr', 'root.left.right', 'waiting', 1, NULL, 1, '2026-11-23 15:19:13.832262+00', NULL, '2026-11-23 16:19:13.83269+00', NULL, NULL, NULL, NULL, NULL);
INSERT INTO df.node_runs VALUES ('4jGnWaZ3', 'root.right', 'waiting', 1, NULL, 1, '2026-11-23 15:19:13.887843+00', NULL, NULL, 'never', NULL, NULL, NULL, '{"within" : [], "turns" : [], "decides" : [], "ends" : "completed"}');
INSERT INTO df.outbox VALUES ('4jGBdcsj/start', '4jGBdcsj', 'start', NULL, NULL, '@alice@', '2026-11-23 15:19:10.96751+00', '2026-11-23 15:19:11.947004+00', 0, NULL, NULL, NULL, false);
INSERT INTO df.outbox VALUES ('4jGtiEWT/start', '4jGtiEWT', 'start', NULL, NULL, '@alice@', '2026-11-23 15:19:12.0377+00', '2026-11-23 15:19:12.040191+00', 0, NULL, NULL, NULL, false);
INSERT INTO df.outbox VALUES ('4jGVgEng/start', '4jGVgEng', 'start', NULL, NULL, '@alice@', '2026-11-23 15:19:12.295346+00', '2026-11-23 15:19:12.304386+00', 0, NULL, NULL, NULL, false);
INSERT INTO df.outbox VALUES ('4jG8zX4e/start', '4jG8zX4e', 'start', NULL, NULL, '@alice@', '2026-11-23 15:19:12.357614+00', '2026-11-23 15:19:12.368003+00', 0, NULL, NULL, NULL, false);
INSERT INTO df.outbox VALUES ('4jGtVZtq/start', '4jGtVZtq', 'start', NULL, NULL, '@alice@', '2026-11-23 15:19:13.268482+00', '2026-11-23 15:19:13.272754+00', 0, NULL, NULL, NULL, false);
INSERT INTO df.outbox VALUES ('4jGNkZD6/start', '4jGNkZD6', 'start', NULL, NULL, '@alice@', '2026-11-23 15:19:13.328943+00', '2026-11-23 15:19:13.33268+00', 0, NULL, NULL, NULL, false);
INSERT INTO df.outbox VALUES ('4jGTKaDR/start', '4jGTKaDR', 'start', NULL, NULL, '@alice@', '2026-11-23 15:19:13.369895+00', '2026-11-23 15:19:13.379547+00', 0, NULL, NULL, NULL, false);
INSERT INTO df.outbox VALUES ('4jGDjaZS/start', '4jGDjaZS', 'start', NULL, NULL, '@alice@', '2026-11-23 15:19:13.613315+00', '2026-11-23 15:19:13.61515+00', 0, NULL, NULL, NULL, false);
INSERT INTO df.outbox VALUES ('4jGJysAF/start', '4jGJysAF', 'start', NULL, NULL, '@alice@', '2026-11-23 15:19:13.646312+00', '2026-11-23 15:19:13.648782+00', 0, NULL, NULL, NULL, false);
INSERT INTO df.outbox VALUES ('4jGzbX3s/start', '4jGzbX3s', 'start', NULL, NULL, '@alice@', '2026-11-23 15:19:13.700447+00', '2026-11-23 15:19:13.706846+00', 0, NULL, NULL, NULL, false);
INSERT INTO df.outbox VALUES ('4jGGzmRg/start', '4jGGzmRg', 'start', NULL, NULL, '@alice@', '2026-11-23 15:19:13.759009+00', '2026-11-23 15:19:13.76182+00', 0, NULL, NULL, NULL, false);
INSERT INTO df.outbox VALUES ('4jGylq8r/start', '4jGylq8r', 'start', NULL, NULL, '@alice@', '2026-11-23 15:19:13.787441+00', '2026-11-23 15:19:13.792942+00', 0, NULL, NULL, NULL, false);
INSERT INTO df.outbox VALUES ('4jG98efr/start', '4jG98efr', 'start', NULL, NULL, '@alice@', '2026-11-23 15:19:13.818529+00', '2026-11-23 15:19:13.821367+00', 0, NULL, NULL, NULL, false);
INSERT INTO df.outbox VALUES ('4jGnWaZ3/start', '4jGnWaZ3', 'start', NULL, NULL, '@alice@', '2026-11-23 15:19:13.870845+00', '2026-11-23 15:19:13.876267+00', 0, NULL, NULL, NULL, false);
INSERT INTO df.outbox VALUES ('4jGnWaZ3/cancel', '4jGnWaZ3', 'cancel', NULL, 'enough', '@alice@', '2026-11-23 15:19:13.926808+00', '2026-11-23 15:19:13.948213+00', 0, NULL, NULL, NULL, false);
INSERT INTO df.outbox VALUES ('4jGrAWRg/start', '4jGrAWRg', 'start', NULL, NULL, '@alice@', '2026-11-23 15:19:13.943674+00', '2026-11-23 15:19:13.949779+00', 0, NULL, NULL, NULL, false);
INSERT INTO df.outbox VALUES ('4jGEfCyf/start', '4jGEfCyf', 'start', NULL, NULL, '@alice@', '2026-11-23 15:19:14.017602+00', NULL, 0, NULL, NULL, NULL, false);
INSERT INTO df.outbox VALUES ('4jGtiEWT/signal/n/1', '4jGtiEWT', 'signal', 'n/1', NULL, '@alice@', '2026-11-23 15:19:14.03069+00', NULL, 0, NULL, NULL, NULL, true);
INSERT INTO df.outbox VALUES ('4jG98efr/pause/3', '4jG98efr', 'pause', '3', '', '@alice@', '2026-11-23 15:19:14.032387+00', NULL, 0, NULL, NULL, NULL, true);
INSERT INTO df.outbox VALUES ('4jGylq8r/signal/n/4', '4jGylq8r', 'signal', 'n/4', NULL, '@alice@', '2026-11-23 15:19:14.050947+00', NULL, 10, NULL, '2026-11-23 15:19:14.041242+00', 'broken', true);
INSERT INTO df.relays VALUES ('c3d06002-1b6c-bcae-bba2-b034e689420a', '2026-11-23 15:19:11.633542+00', '2026-11-23 15:19:11.910418+00', '2026-11-23 15:19:26.910418+00', '0.1.0', 1, false, 1000, 30929);
INSERT INTO df.setting_values VALUES ('allow_superuser_instances', NULL, 'false', 'boolean', 'Whether a superuser may start workflows.', NULL, NULL);
INSERT INTO df.setting_values VALUES ('http_allow_private', NULL, 'false', 'boolean', 'Whether df.http may reach private, loopback and bare IP targets.', NULL, NULL);
INSERT INTO df.setting_values VALUES ('http_allowed_hosts', NULL, '', 'list', 'Hosts df.http may reach: exact names and .suffixes, comma separated; empty means every public host.', NULL, NULL);
INSERT INTO df.setting_values VALUES ('http_max_response_bytes', NULL, '16777216', 'integer', 'The largest HTTP response body, in bytes.', 0, 1073741823);
INSERT INTO df.setting_values VALUES ('http_max_request_bytes', NULL, '16777216', 'integer', 'The largest HTTP request body, in bytes.', 0, 1073741823);
INSERT INTO df.setting_values VALUES ('http_max_timeout_seconds', NULL, '3600', 'integer', 'The longest timeout an HTTP node may ask for, in seconds.', 1, 86400);
INSERT INTO df.setting_values VALUES ('retention_days', NULL, '30', 'number', 'How long a finished instance is kept, in days; 0 removes it at the next pass.', 0, 36500);
INSERT INTO df.setting_values VALUES ('reconcile_interval_seconds', NULL, '60', 'number', 'How often a relay reconciles and retains, in seconds; 0 disables it.', 0, 86400);
INSERT INTO df.setting_values VALUES ('dedupe_days', NULL, '30', 'number', 'How long delivered events and consumed signals of a living instance are kept, in days.', 0, 36500);
INSERT INTO df.setting_values VALUES ('max_result_bytes', NULL, '16777216', 'integer', 'The largest result of one step, request or break, in bytes.', 0, 268435456);
INSERT INTO df.setting_values VALUES ('max_graph_bytes', NULL, '4194304', 'integer', 'The largest graph, in bytes.', 0, 1073741823);
INSERT INTO df.setting_values VALUES ('max_signal_bytes', NULL, '1048576', 'integer', 'The largest signal payload, in bytes.', 0, 1073741823);
INSERT INTO df.setting_values VALUES ('max_list_limit', NULL, '1000', 'integer', 'The largest limit_count of df.list_instances.', 1, 2147483647);
INSERT INTO df.setting_values VALUES ('step_timeout_seconds', NULL, '0', 'number', 'The longest a step''s statement may run, in seconds; 0 means no limit.', 0, 2147483);
INSERT INTO df.setting_values VALUES ('step_transient_attempts', NULL, '20', 'integer', 'How often a step is tried again after a serialization failure or deadlock.', 0, 2147483647);
INSERT INTO df.setting_values VALUES ('fence_lock_timeout_seconds', NULL, '5', 'number', 'How long recording a step waits for its instance''s lock before it tries again, in seconds.', 0.001, 3600);
INSERT INTO df.setting_values VALUES ('max_steps_per_role', NULL, '16', 'integer', 'How many steps of one role a relay runs at a time, SQL and HTTP alike.', 1, 2147483647);
INSERT INTO df.setting_values VALUES ('max_pending_per_role', NULL, '0', 'integer', 'How many instances of one role may be unfinished; each start counts them, up to the limit. 0 means no limit.', 0, 2147483647);
INSERT INTO df.setting_values VALUES ('max_vars_bytes', NULL, '262144', 'integer', 'The largest set of variables that an instance may capture, in bytes.', 0, 1073741823);
INSERT INTO df.setting_values VALUES ('delivery_attempts', NULL, '10', 'integer', 'How often delivering an event is tried before it is parked.', 1, 1000);
INSERT INTO df.signals VALUES ('4jGtiEWT', 'n/1', 2, 'go', '"told late"', '@alice@', '2026-11-23 15:19:14.025433+00', NULL, NULL);
INSERT INTO df.signals VALUES ('4jGylq8r', 'n/4', 5, 'parked', '{}', '@alice@', '2026-11-23 15:19:14.041242+00', NULL, NULL);
INSERT INTO df.usage_granted VALUES (16865, 16385, true, false);
SELECT pg_catalog.setval('app.tries', 1, true);
SELECT pg_catalog.setval('df.graphs_id_seq', 16, true);
SELECT pg_catalog.setval('df.relay_idle', 2, true);
SELECT pg_catalog.setval('df.signal_numbers', 5, true);
SELECT pg_catalog.setval('df.start_asks', 1, false);
ALTER TABLE ONLY df.clock_override
    ADD CONSTRAINT clock_override_pkey PRIMARY KEY (singleton);
ALTER TABLE ONLY df.granted_roles
    ADD CONSTRAINT granted_roles_login_key UNIQUE (login);
ALTER TABLE ONLY df.granted_roles
    ADD CONSTRAINT granted_roles_pkey PRIMARY KEY (role_oid);
ALTER TABLE ONLY df.graphs
    ADD CONSTRAINT graphs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY df.instances
    ADD CONSTRAINT instances_pkey PRIMARY KEY (id);
ALTER TABLE ONLY df.meta
    ADD CONSTRAINT meta_pkey PRIMARY KEY (key);
ALTER TABLE ONLY df.node_runs
    ADD CONSTRAINT node_runs_pkey PRIMARY KEY (instance_id, run_path);
ALTER TABLE ONLY df.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (event_id);
ALTER TABLE ONLY df.relays
    ADD CONSTRAINT relays_pkey PRIMARY KEY (incarnation);
ALTER TABLE ONLY df.setting_values
    ADD CONSTRAINT setting_values_pkey PRIMARY KEY (name);
ALTER TABLE ONLY df.signals
    ADD CONSTRAINT signals_pkey PRIMARY KEY (instance_id, key);
ALTER TABLE ONLY df.usage_granted
    ADD CONSTRAINT usage_granted_pkey PRIMARY KEY (role_oid, granter_oid);
ALTER TABLE ONLY df.vars
    ADD CONSTRAINT vars_pkey PRIMARY KEY (owner, name);
CREATE INDEX graphs_by_content ON df.graphs USING btree (owner, hash) WHERE (doomed_xid IS NULL);
CREATE INDEX instances_by_label ON df.instances USING btree (submitted_by, label, created_at, id DESC) WHERE (label IS NOT NULL);
CREATE INDEX instances_by_role ON df.instances USING btree (submitted_by, created_at, id DESC);
CREATE INDEX instances_by_status ON df.instances USING btree (submitted_by, status, created_at, id DESC) WHERE ((status)::text <> 'completed'::text);
CREATE INDEX instances_claimable ON df.instances USING btree (submitted_by, wake_at) WHERE ((owner IS NULL) AND (ended_at IS NULL) AND (paused_at IS NULL));
CREATE INDEX instances_ended ON df.instances USING btree (ended_at) WHERE (ended_at IS NOT NULL);
CREATE UNIQUE INDEX instances_once ON df.instances USING btree (submitted_by, once_key) WHERE (once_key IS NOT NULL);
CREATE INDEX instances_owned ON df.instances USING btree (owner) WHERE (owner IS NOT NULL);
CREATE INDEX outbox_delivered_signals ON df.outbox USING btree (created_at) WHERE (((kind)::text = 'signal'::text) AND (NOT queued));
CREATE INDEX outbox_parked ON df.outbox USING btree (parked_at) WHERE (parked_at IS NOT NULL);
CREATE INDEX outbox_undelivered ON df.outbox USING btree (instance_id) WHERE queued;
CREATE INDEX outbox_undelivered_since ON df.outbox USING btree (created_at) WHERE (queued AND (parked_at IS NULL));
CREATE INDEX signals_pending ON df.signals USING btree (instance_id, name, n) WHERE (consumed_at IS NULL);
CREATE TRIGGER graphs_checked BEFORE INSERT ON df.graphs FOR EACH ROW EXECUTE FUNCTION df.refuse_bad_graph();
CREATE TRIGGER instances_admitted BEFORE INSERT ON df.instances FOR EACH ROW WHEN ((new.root_node IS NULL)) EXECUTE FUNCTION df.admit_instance();
ALTER TABLE df.instances ENABLE ALWAYS TRIGGER instances_admitted;
CREATE TRIGGER limit_asked AFTER INSERT OR UPDATE ON df.setting_values FOR EACH ROW WHEN (((new.name = 'max_pending_per_role'::text) AND (COALESCE(new.value, new.default_value) <> '0'::text))) EXECUTE FUNCTION df.ask_at_starts();
ALTER TABLE df.setting_values ENABLE ALWAYS TRIGGER limit_asked;
CREATE TRIGGER nodes_only_read INSTEAD OF INSERT OR DELETE OR UPDATE ON df.nodes FOR EACH ROW EXECUTE FUNCTION df.refuse_view_write();
CREATE TRIGGER outbox_apply AFTER INSERT ON df.outbox FOR EACH ROW WHEN ((new.payload IS NOT NULL)) EXECUTE FUNCTION df.apply_event();
CREATE TRIGGER outbox_named BEFORE INSERT ON df.outbox FOR EACH ROW WHEN ((new.event_id IS NULL)) EXECUTE FUNCTION df.name_event();
ALTER TABLE df.outbox ENABLE ALWAYS TRIGGER outbox_named;
CREATE TRIGGER outbox_queued AFTER UPDATE OF delivered_at ON df.outbox FOR EACH ROW WHEN (((new.queued = (new.delivered_at IS NOT NULL)) AND ((new.kind)::text <> 'start'::text))) EXECUTE FUNCTION df.queue_event();
CREATE CONSTRAINT TRIGGER outbox_wake AFTER INSERT ON df.outbox DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION df.wake_relays();
CREATE TRIGGER vars_asked AFTER INSERT ON df.vars FOR EACH STATEMENT EXECUTE FUNCTION df.ask_at_starts();
ALTER TABLE df.vars ENABLE ALWAYS TRIGGER vars_asked;
CREATE TRIGGER vars_unset AFTER INSERT OR UPDATE ON df.vars FOR EACH ROW WHEN ((new.value IS NULL)) EXECUTE FUNCTION df.remove_unset_var();
ALTER TABLE df.vars ENABLE ALWAYS TRIGGER vars_unset;
CREATE POLICY admin_meta ON df.meta FOR SELECT TO df_admin USING (true);
CREATE POLICY admin_rows ON df.graphs FOR SELECT USING (( SELECT pg_has_role(CURRENT_USER, 'df_admin'::name, 'member'::text) AS pg_has_role));
CREATE POLICY admin_rows ON df.instances FOR SELECT USING (( SELECT pg_has_role(CURRENT_USER, 'df_admin'::name, 'member'::text) AS pg_has_role));
CREATE POLICY admin_rows ON df.outbox FOR SELECT USING (( SELECT pg_has_role(CURRENT_USER, 'df_admin'::name, 'member'::text) AS pg_has_role));
CREATE POLICY admin_rows ON df.signals FOR SELECT USING (( SELECT pg_has_role(CURRENT_USER, 'df_admin'::name, 'member'::text) AS pg_has_role));
ALTER TABLE df.clock_override ENABLE ROW LEVEL SECURITY;
ALTER TABLE df.granted_roles ENABLE ROW LEVEL SECURITY;
ALTER TABLE df.graphs ENABLE ROW LEVEL SECURITY;
ALTER TABLE df.instances ENABLE ROW LEVEL SECURITY;
ALTER TABLE df.meta ENABLE ROW LEVEL SECURITY;
ALTER TABLE df.node_runs ENABLE ROW LEVEL SECURITY;
ALTER TABLE df.outbox ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_insert ON df.graphs FOR INSERT WITH CHECK (((owner)::oid = ((quote_ident((CURRENT_USER)::text))::regrole)::oid));
CREATE POLICY own_insert ON df.instances FOR INSERT WITH CHECK (((submitted_by)::oid = ((quote_ident((CURRENT_USER)::text))::regrole)::oid));
CREATE POLICY own_insert ON df.outbox FOR INSERT WITH CHECK ((((submitted_by)::oid = ((quote_ident((CURRENT_USER)::text))::regrole)::oid) AND ((((kind)::text = 'start'::text) AND (key IS NULL)) OR df.key_fits((kind)::text, (key)::text)) AND (EXISTS ( SELECT
   FROM df.instances i
  WHERE (i.id = outbox.instance_id)))));
CREATE POLICY own_insert ON df.signals FOR INSERT WITH CHECK ((((submitted_by)::oid = ((quote_ident((CURRENT_USER)::text))::regrole)::oid) AND (EXISTS ( SELECT
   FROM df.instances i
  WHERE (i.id = signals.instance_id)))));
CREATE POLICY own_insert ON df.vars FOR INSERT WITH CHECK (((owner)::oid = ((quote_ident((CURRENT_USER)::text))::regrole)::oid));
CREATE POLICY own_rows ON df.graphs FOR SELECT USING (((owner)::oid = (( SELECT (quote_ident((CURRENT_USER)::text))::regrole AS quote_ident))::oid));
CREATE POLICY own_rows ON df.instances FOR SELECT USING (((submitted_by)::oid = (( SELECT (quote_ident((CURRENT_USER)::text))::regrole AS quote_ident))::oid));
CREATE POLICY own_rows ON df.outbox FOR SELECT USING (((submitted_by)::oid = (( SELECT (quote_ident((CURRENT_USER)::text))::regrole AS quote_ident))::oid));
CREATE POLICY own_rows ON df.signals FOR SELECT USING (((submitted_by)::oid = (( SELECT (quote_ident((CURRENT_USER)::text))::regrole AS quote_ident))::oid));
CREATE POLICY own_rows ON df.vars FOR SELECT USING (((owner)::oid = (( SELECT (quote_ident((CURRENT_USER)::text))::regrole AS quote_ident))::oid));
CREATE POLICY own_runs ON df.node_runs FOR SELECT USING ((EXISTS ( SELECT
   FROM df.instances i
  WHERE (i.id = node_runs.instance_id))));
CREATE POLICY own_update ON df.vars FOR UPDATE USING (((owner)::oid = (( SELECT (quote_ident((CURRENT_USER)::text))::regrole AS quote_ident))::oid));
CREATE POLICY owner_all ON df.clock_override TO df_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON df.granted_roles TO df_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON df.graphs TO df_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON df.instances TO df_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON df.meta TO df_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON df.node_runs TO df_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON df.outbox TO df_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON df.relays TO df_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON df.setting_values TO df_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON df.signals TO df_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON df.usage_granted TO df_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_all ON df.vars TO df_owner USING (true) WITH CHECK (true);
CREATE POLICY relay_meta ON df.meta FOR SELECT TO df_relay USING (true);
ALTER TABLE df.relays ENABLE ROW LEVEL SECURITY;
ALTER TABLE df.setting_values ENABLE ROW LEVEL SECURITY;
ALTER TABLE df.signals ENABLE ROW LEVEL SECURITY;
ALTER TABLE df.usage_granted ENABLE ROW LEVEL SECURITY;
ALTER TABLE df.vars ENABLE ROW LEVEL SECURITY;
GRANT USAGE ON SCHEMA app TO @alice@;
GRANT USAGE ON SCHEMA df TO df_relay;
GRANT USAGE ON SCHEMA df TO df_admin;
GRANT USAGE ON SCHEMA df TO @alice@;
GRANT ALL ON SCHEMA public TO df_owner;
GRANT ALL ON SCHEMA public TO @alice@;
REVOKE ALL ON FUNCTION df.acts_as_owner(p_role oid) FROM PUBLIC;
GRANT ALL ON FUNCTION df.acts_as_owner(p_role oid) TO df_admin;
GRANT ALL ON FUNCTION df.acts_as_owner(p_role oid) TO @alice@;
REVOKE ALL ON FUNCTION df.admit_instance() FROM PUBLIC;
REVOKE ALL ON FUNCTION df.admitted_vars(p_owner regrole) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.apply_cancel(p_instance text, p_submitter regrole, p_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.apply_event() FROM PUBLIC;
REVOKE ALL ON FUNCTION df."as"(fut text, name text) FROM PUBLIC;
GRANT ALL ON FUNCTION df."as"(fut text, name text) TO df_admin;
GRANT ALL ON FUNCTION df."as"(fut text, name text) TO @alice@;
REVOKE ALL ON FUNCTION df.ask_at_starts() FROM PUBLIC;
REVOKE ALL ON FUNCTION df.assert_structural_invariants(instance_id text, skip text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION df.assert_structural_invariants(instance_id text, skip text[]) TO df_admin;
GRANT ALL ON FUNCTION df.assert_structural_invariants(instance_id text, skip text[]) TO @alice@;
REVOKE ALL ON FUNCTION df.await_instance(instance_id text, timeout_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION df.await_instance(instance_id text, timeout_seconds integer) TO df_admin;
GRANT ALL ON FUNCTION df.await_instance(instance_id text, timeout_seconds integer) TO @alice@;
REVOKE ALL ON FUNCTION df.blocked_steps(p_instance text, p_role oid) FROM PUBLIC;
GRANT ALL ON FUNCTION df.blocked_steps(p_instance text, p_role oid) TO df_admin;
GRANT ALL ON FUNCTION df.blocked_steps(p_instance text, p_role oid) TO @alice@;
REVOKE ALL ON FUNCTION df.bound_of(p_bounds json, p_role oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.break(value text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.break(value text) TO df_admin;
GRANT ALL ON FUNCTION df.break(value text) TO @alice@;
REVOKE ALL ON FUNCTION df.calling_role() FROM PUBLIC;
REVOKE ALL ON FUNCTION df.cancel(instance_id text, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.cancel(instance_id text, reason text) TO df_admin;
GRANT ALL ON FUNCTION df.cancel(instance_id text, reason text) TO @alice@;
REVOKE ALL ON FUNCTION df.check_grantee(p_role oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.check_granter(p_granter oid, p_act text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.check_graph(p_input text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.check_graph(p_input text) TO df_admin;
GRANT ALL ON FUNCTION df.check_graph(p_input text) TO @alice@;
REVOKE ALL ON FUNCTION df.check_label(p_label text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.check_label(p_label text) TO df_admin;
GRANT ALL ON FUNCTION df.check_label(p_label text) TO @alice@;
REVOKE ALL ON FUNCTION df.check_submitter(p_database text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.check_submitter(p_database text) TO df_admin;
GRANT ALL ON FUNCTION df.check_submitter(p_database text) TO @alice@;
REVOKE ALL ON FUNCTION df.checked_limit(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION df.checked_limit(p_limit integer) TO df_admin;
GRANT ALL ON FUNCTION df.checked_limit(p_limit integer) TO @alice@;
REVOKE ALL ON FUNCTION df.checkpoint(p_instance text, p_epoch bigint, p_checkpoints json) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.checkpoints(p_instance text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.checkpoints(p_instance text) TO df_admin;
GRANT ALL ON FUNCTION df.checkpoints(p_instance text) TO @alice@;
REVOKE ALL ON FUNCTION df.child_role(p_parent_type text, p_segment text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.child_role(p_parent_type text, p_segment text) TO df_admin;
GRANT ALL ON FUNCTION df.child_role(p_parent_type text, p_segment text) TO @alice@;
REVOKE ALL ON FUNCTION df.choice_query(p_node_type text, p_query text, p_condition jsonb, OUT query text, OUT fault text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.choice_query(p_node_type text, p_query text, p_condition jsonb, OUT query text, OUT fault text) TO df_admin;
GRANT ALL ON FUNCTION df.choice_query(p_node_type text, p_query text, p_condition jsonb, OUT query text, OUT fault text) TO @alice@;
REVOKE ALL ON FUNCTION df.claimable(p_owner uuid, p_limit integer, p_runs integer, p_shared boolean, p_bounds json) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.clearvars() FROM PUBLIC;
GRANT ALL ON FUNCTION df.clearvars() TO df_admin;
GRANT ALL ON FUNCTION df.clearvars() TO @alice@;
REVOKE ALL ON FUNCTION df.clock() FROM PUBLIC;
GRANT ALL ON FUNCTION df.clock() TO df_admin;
GRANT ALL ON FUNCTION df.clock() TO @alice@;
REVOKE ALL ON FUNCTION df.configure(name text, value text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.configure(name text, value text) TO df_admin;
REVOKE ALL ON FUNCTION df.cron_fault(p_cron text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.cron_fault(p_cron text) TO df_admin;
GRANT ALL ON FUNCTION df.cron_fault(p_cron text) TO @alice@;
REVOKE ALL ON FUNCTION df.cron_field(p_field text, p_low integer, p_high integer, p_names text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION df.cron_field(p_field text, p_low integer, p_high integer, p_names text[]) TO df_admin;
GRANT ALL ON FUNCTION df.cron_field(p_field text, p_low integer, p_high integer, p_names text[]) TO @alice@;
REVOKE ALL ON FUNCTION df.database_oid() FROM PUBLIC;
GRANT ALL ON FUNCTION df.database_oid() TO df_admin;
GRANT ALL ON FUNCTION df.database_oid() TO @alice@;
REVOKE ALL ON FUNCTION df.decide(p_instance text, p_epoch bigint, p_within text[], p_turns integer[], p_decides text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.decided_against(p_instance text, p_within text[], p_turns integer[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.draw_graph(p_graph text, p_marks jsonb, p_format text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.draw_graph(p_graph text, p_marks jsonb, p_format text) TO df_admin;
GRANT ALL ON FUNCTION df.draw_graph(p_graph text, p_marks jsonb, p_format text) TO @alice@;
REVOKE ALL ON FUNCTION df.draw_mermaid(p_graph text, p_marks jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION df.draw_mermaid(p_graph text, p_marks jsonb) TO df_admin;
GRANT ALL ON FUNCTION df.draw_mermaid(p_graph text, p_marks jsonb) TO @alice@;
REVOKE ALL ON FUNCTION df.draw_tree(p_graph text, p_marks jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION df.draw_tree(p_graph text, p_marks jsonb) TO df_admin;
GRANT ALL ON FUNCTION df.draw_tree(p_graph text, p_marks jsonb) TO @alice@;
REVOKE ALL ON FUNCTION df.drop_login(p_role oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.drop_stray_logins() FROM PUBLIC;
REVOKE ALL ON FUNCTION df.end_instance(p_instance text, p_status text, p_result json, p_error text, p_sqlstate text, p_path text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.end_intents(p_instance text, p_ended_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.end_wait(p_instance text, p_path text, p_result json) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.evaluate_expression(p_input text, p_search_path text, OUT graph text, OUT fault text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.evaluate_expression(p_input text, p_search_path text, OUT graph text, OUT fault text) TO df_admin;
GRANT ALL ON FUNCTION df.evaluate_expression(p_input text, p_search_path text, OUT graph text, OUT fault text) TO @alice@;
REVOKE ALL ON FUNCTION df.explain(input text, format text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.explain(input text, format text) TO df_admin;
GRANT ALL ON FUNCTION df.explain(input text, format text) TO @alice@;
REVOKE ALL ON FUNCTION df.explain_input(p_input text, p_format text, p_search_path text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.explain_input(p_input text, p_format text, p_search_path text) TO df_admin;
GRANT ALL ON FUNCTION df.explain_input(p_input text, p_format text, p_search_path text) TO @alice@;
REVOKE ALL ON FUNCTION df.explain_instance(p_instance text, p_format text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.explain_instance(p_instance text, p_format text) TO df_admin;
GRANT ALL ON FUNCTION df.explain_instance(p_instance text, p_format text) TO @alice@;
REVOKE ALL ON FUNCTION df.fail_roleless(p_limit integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.fence(p_instance text, p_epoch bigint, p_incarnation uuid, p_exclusive boolean, p_skip_locked boolean, p_login name) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.forget_login(p_role oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.getvar(name text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.getvar(name text) TO df_admin;
GRANT ALL ON FUNCTION df.getvar(name text) TO @alice@;
REVOKE ALL ON FUNCTION df.grant_usage(p_role text, include_http boolean, with_grant boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.granter(p_role oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.grants_of(p_role oid) FROM PUBLIC;
GRANT ALL ON FUNCTION df.grants_of(p_role oid) TO df_admin;
GRANT ALL ON FUNCTION df.grants_of(p_role oid) TO @alice@;
REVOKE ALL ON FUNCTION df.hand_inbox(p_instance text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.hand_signal(p_instance text, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.headers_fault(p_headers jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION df.headers_fault(p_headers jsonb) TO df_admin;
GRANT ALL ON FUNCTION df.headers_fault(p_headers jsonb) TO @alice@;
REVOKE ALL ON FUNCTION df.hmac_sha256(p_key bytea, p_message bytea) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.http(url text, method text, body text, headers jsonb, timeout_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION df.http(url text, method text, body text, headers jsonb, timeout_seconds integer) TO @alice@;
REVOKE ALL ON FUNCTION df.http_config(p_node_type text, p_config jsonb, OUT config text, OUT fault text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.http_config(p_node_type text, p_config jsonb, OUT config text, OUT fault text) TO df_admin;
GRANT ALL ON FUNCTION df.http_config(p_node_type text, p_config jsonb, OUT config text, OUT fault text) TO @alice@;
REVOKE ALL ON FUNCTION df.http_multipart(url text, method text, parts jsonb, headers jsonb, timeout_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION df.http_multipart(url text, method text, parts jsonb, headers jsonb, timeout_seconds integer) TO @alice@;
REVOKE ALL ON FUNCTION df.if(condition text, then_branch text, else_branch text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.if(condition text, then_branch text, else_branch text) TO df_admin;
GRANT ALL ON FUNCTION df.if(condition text, then_branch text, else_branch text) TO @alice@;
REVOKE ALL ON FUNCTION df.if_else(half text, else_branch text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.if_else(half text, else_branch text) TO df_admin;
GRANT ALL ON FUNCTION df.if_else(half text, else_branch text) TO @alice@;
REVOKE ALL ON FUNCTION df.if_rows(result_name text, then_branch text, else_branch text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.if_rows(result_name text, then_branch text, else_branch text) TO df_admin;
GRANT ALL ON FUNCTION df.if_rows(result_name text, then_branch text, else_branch text) TO @alice@;
REVOKE ALL ON FUNCTION df.if_then(condition text, then_branch text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.if_then(condition text, then_branch text) TO df_admin;
GRANT ALL ON FUNCTION df.if_then(condition text, then_branch text) TO @alice@;
REVOKE ALL ON FUNCTION df.insert_signal(p_instance text, p_key text, p_name text, p_data text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.insert_signal(p_instance text, p_key text, p_name text, p_data text) TO df_admin;
GRANT ALL ON FUNCTION df.insert_signal(p_instance text, p_key text, p_name text, p_data text) TO @alice@;
REVOKE ALL ON FUNCTION df.inside_workflow() FROM PUBLIC;
GRANT ALL ON FUNCTION df.inside_workflow() TO df_admin;
GRANT ALL ON FUNCTION df.inside_workflow() TO @alice@;
REVOKE ALL ON FUNCTION df.instance_executions(instance_id text, limit_count integer) FROM PUBLIC;
GRANT ALL ON FUNCTION df.instance_executions(instance_id text, limit_count integer) TO df_admin;
GRANT ALL ON FUNCTION df.instance_executions(instance_id text, limit_count integer) TO @alice@;
REVOKE ALL ON FUNCTION df.instance_info(instance_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.instance_info(instance_id text) TO df_admin;
GRANT ALL ON FUNCTION df.instance_info(instance_id text) TO @alice@;
REVOKE ALL ON FUNCTION df.instance_nodes(instance_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.instance_nodes(instance_id text) TO df_admin;
GRANT ALL ON FUNCTION df.instance_nodes(instance_id text) TO @alice@;
REVOKE ALL ON FUNCTION df.internal_functions() FROM PUBLIC;
GRANT ALL ON FUNCTION df.internal_functions() TO df_admin;
GRANT ALL ON FUNCTION df.internal_functions() TO @alice@;
REVOKE ALL ON FUNCTION df.is_admin(p_role oid) FROM PUBLIC;
GRANT ALL ON FUNCTION df.is_admin(p_role oid) TO df_admin;
GRANT ALL ON FUNCTION df.is_admin(p_role oid) TO @alice@;
REVOKE ALL ON FUNCTION df.is_of_this_server_run(p_incarnation uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.is_uncommitted(p_xmin xid) FROM PUBLIC;
GRANT ALL ON FUNCTION df.is_uncommitted(p_xmin xid) TO df_admin;
GRANT ALL ON FUNCTION df.is_uncommitted(p_xmin xid) TO @alice@;
REVOKE ALL ON FUNCTION df."join"(VARIADIC branches text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION df."join"(VARIADIC branches text[]) TO df_admin;
GRANT ALL ON FUNCTION df."join"(VARIADIC branches text[]) TO @alice@;
REVOKE ALL ON FUNCTION df."join"(a text, b text) FROM PUBLIC;
GRANT ALL ON FUNCTION df."join"(a text, b text) TO df_admin;
GRANT ALL ON FUNCTION df."join"(a text, b text) TO @alice@;
REVOKE ALL ON FUNCTION df.join3(a text, b text, c text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.join3(a text, b text, c text) TO df_admin;
GRANT ALL ON FUNCTION df.join3(a text, b text, c text) TO @alice@;
REVOKE ALL ON FUNCTION df.json_value_truth(p_raw text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.json_value_truth(p_raw text) TO df_admin;
GRANT ALL ON FUNCTION df.json_value_truth(p_raw text) TO @alice@;
REVOKE ALL ON FUNCTION df.key_fits(p_kind text, p_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.key_fits(p_kind text, p_key text) TO df_admin;
GRANT ALL ON FUNCTION df.key_fits(p_kind text, p_key text) TO @alice@;
REVOKE ALL ON FUNCTION df.leaf_query(p_node_type text, p_query text, OUT query text, OUT fault text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.leaf_query(p_node_type text, p_query text, OUT query text, OUT fault text) TO df_admin;
GRANT ALL ON FUNCTION df.leaf_query(p_node_type text, p_query text, OUT query text, OUT fault text) TO @alice@;
REVOKE ALL ON FUNCTION df.likely_graph(p_fut text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.likely_graph(p_fut text) TO df_admin;
GRANT ALL ON FUNCTION df.likely_graph(p_fut text) TO @alice@;
REVOKE ALL ON FUNCTION df.list_cursor(p_created_at timestamp with time zone, p_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.list_cursor(p_created_at timestamp with time zone, p_id text) TO df_admin;
GRANT ALL ON FUNCTION df.list_cursor(p_created_at timestamp with time zone, p_id text) TO @alice@;
REVOKE ALL ON FUNCTION df.list_instances(status_filter text, limit_count integer) FROM PUBLIC;
GRANT ALL ON FUNCTION df.list_instances(status_filter text, limit_count integer) TO df_admin;
GRANT ALL ON FUNCTION df.list_instances(status_filter text, limit_count integer) TO @alice@;
REVOKE ALL ON FUNCTION df.list_instances(status_filter text, limit_count integer, label_filter text, after_cursor text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.list_instances(status_filter text, limit_count integer, label_filter text, after_cursor text) TO df_admin;
GRANT ALL ON FUNCTION df.list_instances(status_filter text, limit_count integer, label_filter text, after_cursor text) TO @alice@;
REVOKE ALL ON FUNCTION df.list_page(p_status text, p_limit integer, p_label text, p_after_at timestamp with time zone, p_after_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.list_page(p_status text, p_limit integer, p_label text, p_after_at timestamp with time zone, p_after_id text) TO df_admin;
GRANT ALL ON FUNCTION df.list_page(p_status text, p_limit integer, p_label text, p_after_at timestamp with time zone, p_after_id text) TO @alice@;
REVOKE ALL ON FUNCTION df.login_password(p_role oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.looks_like_expression(p_input text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.looks_like_expression(p_input text) TO df_admin;
GRANT ALL ON FUNCTION df.looks_like_expression(p_input text) TO @alice@;
REVOKE ALL ON FUNCTION df.loop(body text, condition text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.loop(body text, condition text) TO df_admin;
GRANT ALL ON FUNCTION df.loop(body text, condition text) TO @alice@;
REVOKE ALL ON FUNCTION df.loop_forever(body text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.loop_forever(body text) TO df_admin;
GRANT ALL ON FUNCTION df.loop_forever(body text) TO @alice@;
REVOKE ALL ON FUNCTION df.make_login(p_role text, p_oid oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.may_write(i_epoch bigint, i_owner uuid, i_ended_at timestamp with time zone, i_paused_at timestamp with time zone, i_submitted_by oid, p_epoch bigint, p_incarnation uuid, p_login name) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.mermaid_box(p_id text, p_node_type text, p_label text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.mermaid_box(p_id text, p_node_type text, p_label text) TO df_admin;
GRANT ALL ON FUNCTION df.mermaid_box(p_id text, p_node_type text, p_label text) TO @alice@;
REVOKE ALL ON FUNCTION df.mermaid_edges(p_type text, p_id text, p_condition text[], p_left text[], p_right text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION df.mermaid_edges(p_type text, p_id text, p_condition text[], p_left text[], p_right text[]) TO df_admin;
GRANT ALL ON FUNCTION df.mermaid_edges(p_type text, p_id text, p_condition text[], p_left text[], p_right text[]) TO @alice@;
REVOKE ALL ON FUNCTION df.metrics() FROM PUBLIC;
GRANT ALL ON FUNCTION df.metrics() TO df_admin;
REVOKE ALL ON FUNCTION df.name_event() FROM PUBLIC;
REVOKE ALL ON FUNCTION df.name_fault(p_name text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.name_fault(p_name text) TO df_admin;
GRANT ALL ON FUNCTION df.name_fault(p_name text) TO @alice@;
REVOKE ALL ON FUNCTION df.new_instance_id(p_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION df.new_instance_id(p_at timestamp with time zone) TO df_admin;
GRANT ALL ON FUNCTION df.new_instance_id(p_at timestamp with time zone) TO @alice@;
REVOKE ALL ON FUNCTION df.node_children(p_node jsonb, OUT texts text[], OUT nodes jsonb[], OUT segments text[], OUT fault text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.node_children(p_node jsonb, OUT texts text[], OUT nodes jsonb[], OUT segments text[], OUT fault text) TO df_admin;
GRANT ALL ON FUNCTION df.node_children(p_node jsonb, OUT texts text[], OUT nodes jsonb[], OUT segments text[], OUT fault text) TO @alice@;
REVOKE ALL ON FUNCTION df.node_fields() FROM PUBLIC;
GRANT ALL ON FUNCTION df.node_fields() TO df_admin;
GRANT ALL ON FUNCTION df.node_fields() TO @alice@;
REVOKE ALL ON FUNCTION df.node_label(p_node_type text, p_query text, p_result_name text, p_retry jsonb, p_timeout_seconds numeric) FROM PUBLIC;
GRANT ALL ON FUNCTION df.node_label(p_node_type text, p_query text, p_result_name text, p_retry jsonb, p_timeout_seconds numeric) TO df_admin;
GRANT ALL ON FUNCTION df.node_label(p_node_type text, p_query text, p_result_name text, p_retry jsonb, p_timeout_seconds numeric) TO @alice@;
REVOKE ALL ON FUNCTION df.node_layout(p_instance text, p_graph text, p_results boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION df.node_layout(p_instance text, p_graph text, p_results boolean) TO df_admin;
GRANT ALL ON FUNCTION df.node_layout(p_instance text, p_graph text, p_results boolean) TO @alice@;
REVOKE ALL ON FUNCTION df.node_of(p_input text, p_where text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.node_of(p_input text, p_where text) TO df_admin;
GRANT ALL ON FUNCTION df.node_of(p_input text, p_where text) TO @alice@;
REVOKE ALL ON FUNCTION df.node_rest(p_node_type text, p_rest jsonb, OUT tail text, OUT fault text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.node_rest(p_node_type text, p_rest jsonb, OUT tail text, OUT fault text) TO df_admin;
GRANT ALL ON FUNCTION df.node_rest(p_node_type text, p_rest jsonb, OUT tail text, OUT fault text) TO @alice@;
REVOKE ALL ON FUNCTION df.node_states(p_instance text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.node_states(p_instance text) TO df_admin;
GRANT ALL ON FUNCTION df.node_states(p_instance text) TO @alice@;
REVOKE ALL ON FUNCTION df.node_states_of(p_instance text, p_results boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION df.node_states_of(p_instance text, p_results boolean) TO df_admin;
GRANT ALL ON FUNCTION df.node_states_of(p_instance text, p_results boolean) TO @alice@;
REVOKE ALL ON FUNCTION df.node_text(p_node jsonb, OUT head text, OUT tail text, OUT is_leaf boolean, OUT fault text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.node_text(p_node jsonb, OUT head text, OUT tail text, OUT is_leaf boolean, OUT fault text) TO df_admin;
GRANT ALL ON FUNCTION df.node_text(p_node jsonb, OUT head text, OUT tail text, OUT is_leaf boolean, OUT fault text) TO @alice@;
REVOKE ALL ON FUNCTION df.node_timeout_fault(p_seconds jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION df.node_timeout_fault(p_seconds jsonb) TO df_admin;
GRANT ALL ON FUNCTION df.node_timeout_fault(p_seconds jsonb) TO @alice@;
REVOKE ALL ON FUNCTION df.node_tree(p_graph text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.node_tree(p_graph text) TO df_admin;
GRANT ALL ON FUNCTION df.node_tree(p_graph text) TO @alice@;
REVOKE ALL ON FUNCTION df.node_type_fields(p_node_type text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.node_type_fields(p_node_type text) TO df_admin;
GRANT ALL ON FUNCTION df.node_type_fields(p_node_type text) TO @alice@;
REVOKE ALL ON FUNCTION df.node_with(p_node text, p_field text, p_value text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.node_with(p_node text, p_field text, p_value text) TO df_admin;
GRANT ALL ON FUNCTION df.node_with(p_node text, p_field text, p_value text) TO @alice@;
REVOKE ALL ON FUNCTION df.part_fault(p_part jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION df.part_fault(p_part jsonb) TO df_admin;
GRANT ALL ON FUNCTION df.part_fault(p_part jsonb) TO @alice@;
REVOKE ALL ON FUNCTION df.path_turns(p_run_path text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.path_turns(p_run_path text) TO df_admin;
GRANT ALL ON FUNCTION df.path_turns(p_run_path text) TO @alice@;
REVOKE ALL ON FUNCTION df.paths_above(p_path text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.paths_above(p_path text) TO df_admin;
GRANT ALL ON FUNCTION df.paths_above(p_path text) TO @alice@;
REVOKE ALL ON FUNCTION df.pause(instance_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.pause(instance_id text) TO df_admin;
GRANT ALL ON FUNCTION df.pause(instance_id text) TO @alice@;
REVOKE ALL ON FUNCTION df.pending_signals(p_instance text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.place() FROM PUBLIC;
REVOKE ALL ON FUNCTION df.postpone_event(p_event_id text, p_error text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.prepare_record(p_xid xid8, p_run_path text, p_status text, p_result text, p_checkpoints text, p_lock_timeout text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.queue_event() FROM PUBLIC;
REVOKE ALL ON FUNCTION df.race(a text, b text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.race(a text, b text) TO df_admin;
GRANT ALL ON FUNCTION df.race(a text, b text) TO @alice@;
REVOKE ALL ON FUNCTION df.raise_refusal(p_outcome text, p_instance text, p_run_path text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.read_list_cursor(p_cursor text, OUT created_at timestamp with time zone, OUT id text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.read_list_cursor(p_cursor text, OUT created_at timestamp with time zone, OUT id text) TO df_admin;
GRANT ALL ON FUNCTION df.read_list_cursor(p_cursor text, OUT created_at timestamp with time zone, OUT id text) TO @alice@;
REVOKE ALL ON FUNCTION df.readable_time(p_time timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION df.readable_time(p_time timestamp with time zone) TO df_admin;
GRANT ALL ON FUNCTION df.readable_time(p_time timestamp with time zone) TO @alice@;
REVOKE ALL ON FUNCTION df.reconcile() FROM PUBLIC;
GRANT ALL ON FUNCTION df.reconcile() TO df_admin;
REVOKE ALL ON FUNCTION df.record_grant(p_role oid, p_http boolean, p_with_grant boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.record_retry(p_instance text, p_epoch bigint, p_incarnation uuid, p_path text, p_attempt integer, p_seconds double precision, p_error text, p_sqlstate text, p_within text[], p_turns integer[], p_checkpoints json) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.record_revoke(p_role oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.record_run(p_instance text, p_epoch bigint, p_incarnation uuid, p_run_path text, p_status text, p_result json, p_error text, p_sqlstate text, p_attempt integer, p_turn integer, p_within text[], p_turns integer[], p_decides text[], p_checkpoints json, p_ends text, p_skip_locked boolean, p_login name) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.record_settle(p_instance text, p_epoch bigint, p_incarnation uuid, p_result json, p_error text, p_sqlstate text, p_path text, p_within text[], p_turns integer[], p_decides text[], p_ends text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.record_timer(p_instance text, p_epoch bigint, p_incarnation uuid, p_path text, p_seconds double precision, p_error text, p_within text[], p_turns integer[], p_decides text[], p_ends text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.record_wait(p_instance text, p_epoch bigint, p_incarnation uuid, p_path text, p_signal text, p_seconds double precision, p_due timestamp with time zone, p_result json, p_within text[], p_turns integer[], p_decides text[], p_checkpoints json, p_ends text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.refuse(p_where text, p_fault text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.refuse(p_where text, p_fault text) TO df_admin;
GRANT ALL ON FUNCTION df.refuse(p_where text, p_fault text) TO @alice@;
REVOKE ALL ON FUNCTION df.refuse_bad_graph() FROM PUBLIC;
REVOKE ALL ON FUNCTION df.refuse_inside_workflow(p_function text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.refuse_inside_workflow(p_function text) TO df_admin;
GRANT ALL ON FUNCTION df.refuse_inside_workflow(p_function text) TO @alice@;
REVOKE ALL ON FUNCTION df.refuse_view_write() FROM PUBLIC;
REVOKE ALL ON FUNCTION df.regrant(p_role oid, p_http boolean, p_with_grant boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.relay_adopt() FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_adopt() TO df_relay;
REVOKE ALL ON FUNCTION df.relay_bounds(p_incarnation uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_bounds(p_incarnation uuid) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_claim(p_incarnation uuid, p_limit integer, p_bounds json) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_claim(p_incarnation uuid, p_limit integer, p_bounds json) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_clock() FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_clock() TO df_relay;
REVOKE ALL ON FUNCTION df.relay_deliver(p_incarnation uuid, p_limit integer, p_bounds json) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_deliver(p_incarnation uuid, p_limit integer, p_bounds json) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_doctor() FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_doctor() TO df_admin;
GRANT ALL ON FUNCTION df.relay_doctor() TO df_relay;
REVOKE ALL ON FUNCTION df.relay_fail(p_incarnation uuid, p_instance text, p_epoch bigint, p_error text, p_sqlstate text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_fail(p_incarnation uuid, p_instance text, p_epoch bigint, p_error text, p_sqlstate text) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_graph(p_graph_id bigint, p_owner oid) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_graph(p_graph_id bigint, p_owner oid) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_has_doomed_graphs() FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_has_doomed_graphs() TO df_relay;
REVOKE ALL ON FUNCTION df.relay_health(p_incarnation uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_health(p_incarnation uuid) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_heartbeat(p_incarnation uuid, p_lease_seconds double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_heartbeat(p_incarnation uuid, p_lease_seconds double precision) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_identify() FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_identify() TO df_relay;
REVOKE ALL ON FUNCTION df.relay_login(p_role oid, p_database text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_login(p_role oid, p_database text) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_look(p_incarnation uuid, p_bounds json) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_look(p_incarnation uuid, p_bounds json) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_may_http(p_role oid, p_multipart boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_may_http(p_role oid, p_multipart boolean) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_name(p_incarnation uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_name(p_incarnation uuid) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_owned(p_incarnation uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_owned(p_incarnation uuid) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_park(p_incarnation uuid, p_entries json) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_park(p_incarnation uuid, p_entries json) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_reconcile(p_part text, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_reconcile(p_part text, p_limit integer) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_record(p_entries json) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_record(p_entries json) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_recorded(p_incarnation uuid, p_instances text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_recorded(p_incarnation uuid, p_instances text[]) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_register(p_version text, p_lease_seconds double precision, p_poll_interval_ms integer, p_runs_version integer) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_register(p_version text, p_lease_seconds double precision, p_poll_interval_ms integer, p_runs_version integer) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_release(p_incarnation uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_release(p_incarnation uuid) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_replay(p_instances text[], p_after text, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_replay(p_instances text[], p_after text, p_limit integer) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_results(p_instance text, p_paths text[], p_enough_bytes bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_results(p_instance text, p_paths text[], p_enough_bytes bigint) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_set_idle(p_idle boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_set_idle(p_idle boolean) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_settings() FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_settings() TO df_relay;
REVOKE ALL ON FUNCTION df.relay_status() FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_status() TO df_admin;
GRANT ALL ON FUNCTION df.relay_status() TO df_relay;
REVOKE ALL ON FUNCTION df.relay_take_over(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_take_over(p_limit integer) TO df_relay;
REVOKE ALL ON FUNCTION df.relay_vacuum_horizon() FROM PUBLIC;
GRANT ALL ON FUNCTION df.relay_vacuum_horizon() TO df_admin;
GRANT ALL ON FUNCTION df.relay_vacuum_horizon() TO df_relay;
REVOKE ALL ON FUNCTION df.relays_seen(p_owner uuid, OUT live integer, OUT last_seen timestamp with time zone, OUT owner_live boolean, OUT owner_lease_until timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION df.relays_seen(p_owner uuid, OUT live integer, OUT last_seen timestamp with time zone, OUT owner_live boolean, OUT owner_lease_until timestamp with time zone) TO df_admin;
GRANT ALL ON FUNCTION df.relays_seen(p_owner uuid, OUT live integer, OUT last_seen timestamp with time zone, OUT owner_live boolean, OUT owner_lease_until timestamp with time zone) TO @alice@;
REVOKE ALL ON FUNCTION df.release(event_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.release(event_id text) TO df_admin;
GRANT ALL ON FUNCTION df.release(event_id text) TO @alice@;
REVOKE ALL ON FUNCTION df.remove_expired(p_limit integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.remove_graphs() FROM PUBLIC;
REVOKE ALL ON FUNCTION df.remove_orphans(p_limit integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.remove_taken_signals(p_limit integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.remove_unset_var() FROM PUBLIC;
REVOKE ALL ON FUNCTION df.replay_signal(p_instance text, p_key text, OUT outcome text, OUT changed boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.result(instance_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.result(instance_id text) TO df_admin;
GRANT ALL ON FUNCTION df.result(instance_id text) TO @alice@;
REVOKE ALL ON FUNCTION df.resume(instance_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.resume(instance_id text) TO df_admin;
GRANT ALL ON FUNCTION df.resume(instance_id text) TO @alice@;
REVOKE ALL ON FUNCTION df.retry(instance_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.retry(instance_id text) TO df_admin;
GRANT ALL ON FUNCTION df.retry(instance_id text) TO @alice@;
REVOKE ALL ON FUNCTION df.retry_config(p_node_type text, p_retry jsonb, OUT config text, OUT fault text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.retry_config(p_node_type text, p_retry jsonb, OUT config text, OUT fault text) TO df_admin;
GRANT ALL ON FUNCTION df.retry_config(p_node_type text, p_retry jsonb, OUT config text, OUT fault text) TO @alice@;
REVOKE ALL ON FUNCTION df.retry_policy(fut text, max_attempts integer, initial_seconds numeric, factor numeric, max_seconds numeric, on_sqlstate text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION df.retry_policy(fut text, max_attempts integer, initial_seconds numeric, factor numeric, max_seconds numeric, on_sqlstate text[]) TO df_admin;
GRANT ALL ON FUNCTION df.retry_policy(fut text, max_attempts integer, initial_seconds numeric, factor numeric, max_seconds numeric, on_sqlstate text[]) TO @alice@;
REVOKE ALL ON FUNCTION df.revoke_usage(p_role text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.role_named(p_role text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.role_named(p_role text) TO df_admin;
GRANT ALL ON FUNCTION df.role_named(p_role text) TO @alice@;
REVOKE ALL ON FUNCTION df.row_count(p_table regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION df.row_count(p_table regclass) TO df_admin;
GRANT ALL ON FUNCTION df.row_count(p_table regclass) TO @alice@;
REVOKE ALL ON FUNCTION df.runs_in_loops(p_instance text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.runs_in_loops(p_instance text) TO df_admin;
GRANT ALL ON FUNCTION df.runs_in_loops(p_instance text) TO @alice@;
REVOKE ALL ON FUNCTION df.scram_verifier(p_password text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.seconds_fault(p_field text, p_seconds jsonb, p_most bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION df.seconds_fault(p_field text, p_seconds jsonb, p_most bigint) TO df_admin;
GRANT ALL ON FUNCTION df.seconds_fault(p_field text, p_seconds jsonb, p_most bigint) TO @alice@;
REVOKE ALL ON FUNCTION df.seq(a text, b text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.seq(a text, b text) TO df_admin;
GRANT ALL ON FUNCTION df.seq(a text, b text) TO @alice@;
REVOKE ALL ON FUNCTION df.server_run() FROM PUBLIC;
GRANT ALL ON FUNCTION df.server_run() TO df_relay;
REVOKE ALL ON FUNCTION df.setting(p_name text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.setting(p_name text) TO df_relay;
GRANT ALL ON FUNCTION df.setting(p_name text) TO df_admin;
GRANT ALL ON FUNCTION df.setting(p_name text) TO @alice@;
REVOKE ALL ON FUNCTION df.setvar(name text, value text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.setvar(name text, value text) TO df_admin;
GRANT ALL ON FUNCTION df.setvar(name text, value text) TO @alice@;
REVOKE ALL ON FUNCTION df.signal(instance_id text, signal_name text, signal_data text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.signal(instance_id text, signal_name text, signal_data text) TO df_admin;
GRANT ALL ON FUNCTION df.signal(instance_id text, signal_name text, signal_data text) TO @alice@;
REVOKE ALL ON FUNCTION df.signal_once(dedupe_key text, instance_id text, signal_name text, signal_data text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.signal_once(dedupe_key text, instance_id text, signal_name text, signal_data text) TO df_admin;
GRANT ALL ON FUNCTION df.signal_once(dedupe_key text, instance_id text, signal_name text, signal_data text) TO @alice@;
REVOKE ALL ON FUNCTION df.signal_result(p_name text, p_data json) FROM PUBLIC;
GRANT ALL ON FUNCTION df.signal_result(p_name text, p_data json) TO df_admin;
GRANT ALL ON FUNCTION df.signal_result(p_name text, p_data json) TO @alice@;
REVOKE ALL ON FUNCTION df.sleep(seconds bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION df.sleep(seconds bigint) TO df_admin;
GRANT ALL ON FUNCTION df.sleep(seconds bigint) TO @alice@;
REVOKE ALL ON FUNCTION df.sleep_interval(duration interval) FROM PUBLIC;
GRANT ALL ON FUNCTION df.sleep_interval(duration interval) TO df_admin;
GRANT ALL ON FUNCTION df.sleep_interval(duration interval) TO @alice@;
REVOKE ALL ON FUNCTION df.sleep_query(p_seconds text, OUT query text, OUT fault text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.sleep_query(p_seconds text, OUT query text, OUT fault text) TO df_admin;
GRANT ALL ON FUNCTION df.sleep_query(p_seconds text, OUT query text, OUT fault text) TO @alice@;
REVOKE ALL ON FUNCTION df.sql(query text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.sql(query text) TO df_admin;
GRANT ALL ON FUNCTION df.sql(query text) TO @alice@;
REVOKE ALL ON FUNCTION df.start(fut text, label text, database text, transaction_mode text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.start(fut text, label text, database text, transaction_mode text) TO df_admin;
GRANT ALL ON FUNCTION df.start(fut text, label text, database text, transaction_mode text) TO @alice@;
REVOKE ALL ON FUNCTION df.start_elsewhere(p_fut text, p_label text, p_database text, p_mode text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.start_elsewhere(p_fut text, p_label text, p_database text, p_mode text) TO df_admin;
GRANT ALL ON FUNCTION df.start_elsewhere(p_fut text, p_label text, p_database text, p_mode text) TO @alice@;
REVOKE ALL ON FUNCTION df.start_once(key text, fut text, label text, database text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.start_once(key text, fut text, label text, database text) TO df_admin;
GRANT ALL ON FUNCTION df.start_once(key text, fut text, label text, database text) TO @alice@;
REVOKE ALL ON FUNCTION df.static_path(p_run_path text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.static_path(p_run_path text) TO df_admin;
GRANT ALL ON FUNCTION df.static_path(p_run_path text) TO @alice@;
REVOKE ALL ON FUNCTION df.status(instance_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.status(instance_id text) TO df_admin;
GRANT ALL ON FUNCTION df.status(instance_id text) TO @alice@;
REVOKE ALL ON FUNCTION df.status_details(p_status text, p_path text, p_run_path text, p_attempt integer, p_run_status text, p_iteration integer, p_due_at timestamp with time zone, p_signal_name text, p_sqlstate text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.status_details(p_status text, p_path text, p_run_path text, p_attempt integer, p_run_status text, p_iteration integer, p_due_at timestamp with time zone, p_signal_name text, p_sqlstate text) TO df_admin;
GRANT ALL ON FUNCTION df.status_details(p_status text, p_path text, p_run_path text, p_attempt integer, p_run_status text, p_iteration integer, p_due_at timestamp with time zone, p_signal_name text, p_sqlstate text) TO @alice@;
REVOKE ALL ON FUNCTION df.step_begin(p_instance text, p_epoch bigint, p_incarnation uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION df.step_begin(p_instance text, p_epoch bigint, p_incarnation uuid) TO df_admin;
GRANT ALL ON FUNCTION df.step_begin(p_instance text, p_epoch bigint, p_incarnation uuid) TO @alice@;
REVOKE ALL ON FUNCTION df.step_clean() FROM PUBLIC;
GRANT ALL ON FUNCTION df.step_clean() TO df_admin;
GRANT ALL ON FUNCTION df.step_clean() TO @alice@;
REVOKE ALL ON FUNCTION df.step_fault(p_input text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.step_fault(p_input text) TO df_admin;
GRANT ALL ON FUNCTION df.step_fault(p_input text) TO @alice@;
REVOKE ALL ON FUNCTION df.step_login_name(p_role oid) FROM PUBLIC;
GRANT ALL ON FUNCTION df.step_login_name(p_role oid) TO df_admin;
GRANT ALL ON FUNCTION df.step_login_name(p_role oid) TO @alice@;
REVOKE ALL ON FUNCTION df.step_record(p_instance text, p_epoch bigint, p_incarnation uuid, p_xid xid8, p_run_path text, p_status text, p_result text, p_error text, p_sqlstate text, p_attempt integer, p_within text[], p_turns integer[], p_decides text[], p_checkpoints text, p_ends text, p_lock_timeout text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.step_record(p_instance text, p_epoch bigint, p_incarnation uuid, p_xid xid8, p_run_path text, p_status text, p_result text, p_error text, p_sqlstate text, p_attempt integer, p_within text[], p_turns integer[], p_decides text[], p_checkpoints text, p_ends text, p_lock_timeout text) TO df_admin;
GRANT ALL ON FUNCTION df.step_record(p_instance text, p_epoch bigint, p_incarnation uuid, p_xid xid8, p_run_path text, p_status text, p_result text, p_error text, p_sqlstate text, p_attempt integer, p_within text[], p_turns integer[], p_decides text[], p_checkpoints text, p_ends text, p_lock_timeout text) TO @alice@;
REVOKE ALL ON FUNCTION df.store_graph(p_fut text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.store_graph(p_fut text) TO df_admin;
GRANT ALL ON FUNCTION df.store_graph(p_fut text) TO @alice@;
REVOKE ALL ON FUNCTION df.take_back(p_role oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.target_database() FROM PUBLIC;
GRANT ALL ON FUNCTION df.target_database() TO df_admin;
GRANT ALL ON FUNCTION df.target_database() TO @alice@;
REVOKE ALL ON FUNCTION df.tell(p_instance text, p_kind text, p_payload text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.tell(p_instance text, p_kind text, p_payload text) TO df_admin;
GRANT ALL ON FUNCTION df.tell(p_instance text, p_kind text, p_payload text) TO @alice@;
REVOKE ALL ON FUNCTION df.text_as_json(p_text text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.text_as_json(p_text text) TO df_admin;
GRANT ALL ON FUNCTION df.text_as_json(p_text text) TO @alice@;
REVOKE ALL ON FUNCTION df.timeout(fut text, seconds numeric) FROM PUBLIC;
GRANT ALL ON FUNCTION df.timeout(fut text, seconds numeric) TO df_admin;
GRANT ALL ON FUNCTION df.timeout(fut text, seconds numeric) TO @alice@;
REVOKE ALL ON FUNCTION df.truth(p_result json) FROM PUBLIC;
GRANT ALL ON FUNCTION df.truth(p_result json) TO df_admin;
GRANT ALL ON FUNCTION df.truth(p_result json) TO @alice@;
REVOKE ALL ON FUNCTION df.undo_failure(p_instance text, p_graph_id bigint, p_path text) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.unreadable_fault(p_node jsonb, p_sqlstate text, p_message text, p_detail text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.unreadable_fault(p_node jsonb, p_sqlstate text, p_message text, p_detail text) TO df_admin;
GRANT ALL ON FUNCTION df.unreadable_fault(p_node jsonb, p_sqlstate text, p_message text, p_detail text) TO @alice@;
REVOKE ALL ON FUNCTION df.unsetvar(name text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.unsetvar(name text) TO df_admin;
GRANT ALL ON FUNCTION df.unsetvar(name text) TO @alice@;
REVOKE ALL ON FUNCTION df.usage_grants() FROM PUBLIC;
GRANT ALL ON FUNCTION df.usage_grants() TO df_admin;
GRANT ALL ON FUNCTION df.usage_grants() TO @alice@;
REVOKE ALL ON FUNCTION df.version() FROM PUBLIC;
GRANT ALL ON FUNCTION df.version() TO df_admin;
GRANT ALL ON FUNCTION df.version() TO @alice@;
REVOKE ALL ON FUNCTION df.violations_of_constructs(p_instance text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.violations_of_constructs(p_instance text) TO df_admin;
GRANT ALL ON FUNCTION df.violations_of_constructs(p_instance text) TO @alice@;
REVOKE ALL ON FUNCTION df.violations_of_runs(p_instance text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.violations_of_runs(p_instance text) TO df_admin;
GRANT ALL ON FUNCTION df.violations_of_runs(p_instance text) TO @alice@;
REVOKE ALL ON FUNCTION df.violations_of_states(p_instance text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.violations_of_states(p_instance text) TO df_admin;
GRANT ALL ON FUNCTION df.violations_of_states(p_instance text) TO @alice@;
REVOKE ALL ON FUNCTION df.visible_status(p_instance text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.visible_status(p_instance text) TO df_admin;
GRANT ALL ON FUNCTION df.visible_status(p_instance text) TO @alice@;
REVOKE ALL ON FUNCTION df.visible_submitters() FROM PUBLIC;
GRANT ALL ON FUNCTION df.visible_submitters() TO df_admin;
GRANT ALL ON FUNCTION df.visible_submitters() TO @alice@;
REVOKE ALL ON FUNCTION df.wait_config(p_node_type text, p_config jsonb, OUT config text, OUT fault text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.wait_config(p_node_type text, p_config jsonb, OUT config text, OUT fault text) TO df_admin;
GRANT ALL ON FUNCTION df.wait_config(p_node_type text, p_config jsonb, OUT config text, OUT fault text) TO @alice@;
REVOKE ALL ON FUNCTION df.wait_for_completion(instance_id text, timeout_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION df.wait_for_completion(instance_id text, timeout_seconds integer) TO df_admin;
GRANT ALL ON FUNCTION df.wait_for_completion(instance_id text, timeout_seconds integer) TO @alice@;
REVOKE ALL ON FUNCTION df.wait_for_schedule(cron_expr text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.wait_for_schedule(cron_expr text) TO df_admin;
GRANT ALL ON FUNCTION df.wait_for_schedule(cron_expr text) TO @alice@;
REVOKE ALL ON FUNCTION df.wait_for_signal(name text, timeout_seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION df.wait_for_signal(name text, timeout_seconds integer) TO df_admin;
GRANT ALL ON FUNCTION df.wait_for_signal(name text, timeout_seconds integer) TO @alice@;
REVOKE ALL ON FUNCTION df.waiting_leaves(p_instance text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.waiting_leaves(p_instance text) TO df_admin;
GRANT ALL ON FUNCTION df.waiting_leaves(p_instance text) TO @alice@;
REVOKE ALL ON FUNCTION df.waiting_roles(p_runs integer, p_bounds json) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.wake_overdue() FROM PUBLIC;
REVOKE ALL ON FUNCTION df.wake_relays() FROM PUBLIC;
REVOKE ALL ON FUNCTION df.why(instance_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.why(instance_id text) TO df_admin;
GRANT ALL ON FUNCTION df.why(instance_id text) TO @alice@;
REVOKE ALL ON FUNCTION df.why_leaves(p_instance text, p_role oid, OUT state text, OUT waiting_for text, OUT since timestamp with time zone, OUT release_by text, OUT detail text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.why_leaves(p_instance text, p_role oid, OUT state text, OUT waiting_for text, OUT since timestamp with time zone, OUT release_by text, OUT detail text) TO df_admin;
GRANT ALL ON FUNCTION df.why_leaves(p_instance text, p_role oid, OUT state text, OUT waiting_for text, OUT since timestamp with time zone, OUT release_by text, OUT detail text) TO @alice@;
REVOKE ALL ON FUNCTION df.woken_since(p_instance text, p_name text, p_since timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION df.write_setting(p_name text, p_value text) FROM PUBLIC;
GRANT ALL ON FUNCTION df.write_setting(p_name text, p_value text) TO df_admin;
GRANT SELECT,INSERT,UPDATE ON TABLE app.effects TO @alice@;
GRANT SELECT,INSERT,UPDATE ON TABLE app.gate TO @alice@;
GRANT SELECT,INSERT,UPDATE ON TABLE app.switch TO @alice@;
GRANT ALL ON SEQUENCE app.tries TO @alice@;
GRANT SELECT ON TABLE df.graphs TO df_admin;
GRANT SELECT ON TABLE df.graphs TO @alice@;
GRANT INSERT(hash) ON TABLE df.graphs TO df_admin;
GRANT INSERT(hash) ON TABLE df.graphs TO @alice@;
GRANT INSERT(graph) ON TABLE df.graphs TO df_admin;
GRANT INSERT(graph) ON TABLE df.graphs TO @alice@;
GRANT SELECT ON TABLE df.instances TO df_admin;
GRANT SELECT ON TABLE df.instances TO @alice@;
GRANT INSERT(label) ON TABLE df.instances TO df_admin;
GRANT INSERT(label) ON TABLE df.instances TO @alice@;
GRANT INSERT(database) ON TABLE df.instances TO df_admin;
GRANT INSERT(database) ON TABLE df.instances TO @alice@;
GRANT INSERT(graph_id) ON TABLE df.instances TO df_admin;
GRANT INSERT(graph_id) ON TABLE df.instances TO @alice@;
GRANT INSERT(once_key) ON TABLE df.instances TO df_admin;
GRANT INSERT(once_key) ON TABLE df.instances TO @alice@;
GRANT SELECT ON TABLE df.meta TO df_relay;
GRANT SELECT ON TABLE df.meta TO df_admin;
GRANT SELECT ON TABLE df.node_runs TO df_admin;
GRANT SELECT ON TABLE df.node_runs TO @alice@;
GRANT SELECT ON TABLE df.nodes TO df_admin;
GRANT SELECT ON TABLE df.nodes TO @alice@;
GRANT SELECT ON TABLE df.outbox TO df_admin;
GRANT SELECT ON TABLE df.outbox TO @alice@;
GRANT INSERT(instance_id) ON TABLE df.outbox TO df_admin;
GRANT INSERT(instance_id) ON TABLE df.outbox TO @alice@;
GRANT INSERT(kind) ON TABLE df.outbox TO df_admin;
GRANT INSERT(kind) ON TABLE df.outbox TO @alice@;
GRANT INSERT(key) ON TABLE df.outbox TO df_admin;
GRANT INSERT(key) ON TABLE df.outbox TO @alice@;
GRANT INSERT(payload) ON TABLE df.outbox TO df_admin;
GRANT INSERT(payload) ON TABLE df.outbox TO @alice@;
GRANT SELECT ON TABLE df.outbox_lag TO df_admin;
GRANT SELECT ON TABLE df.outbox_lag TO @alice@;
GRANT SELECT ON TABLE df.parked_events TO df_admin;
GRANT SELECT ON TABLE df.parked_events TO @alice@;
GRANT SELECT ON TABLE df.settings TO df_admin;
GRANT SELECT ON TABLE df.settings TO @alice@;
GRANT SELECT,USAGE ON SEQUENCE df.signal_numbers TO df_admin;
GRANT SELECT,USAGE ON SEQUENCE df.signal_numbers TO @alice@;
GRANT SELECT ON TABLE df.signals TO df_admin;
GRANT SELECT ON TABLE df.signals TO @alice@;
GRANT INSERT(instance_id) ON TABLE df.signals TO df_admin;
GRANT INSERT(instance_id) ON TABLE df.signals TO @alice@;
GRANT INSERT(key) ON TABLE df.signals TO df_admin;
GRANT INSERT(key) ON TABLE df.signals TO @alice@;
GRANT INSERT(name) ON TABLE df.signals TO df_admin;
GRANT INSERT(name) ON TABLE df.signals TO @alice@;
GRANT INSERT(data) ON TABLE df.signals TO df_admin;
GRANT INSERT(data) ON TABLE df.signals TO @alice@;
GRANT SELECT ON TABLE df.vars TO df_admin;
GRANT SELECT ON TABLE df.vars TO @alice@;
GRANT INSERT(name) ON TABLE df.vars TO df_admin;
GRANT INSERT(name) ON TABLE df.vars TO @alice@;
GRANT INSERT(value),UPDATE(value) ON TABLE df.vars TO df_admin;
GRANT INSERT(value),UPDATE(value) ON TABLE df.vars TO @alice@;
-- PostgreSQL database dump complete
