-- The operators over the builders. The installer replaces @operator_schema@ with the quoted name
-- of the schema they go to, one that is on everybody's search_path. Replayed at every upgrade:
-- an operator is made only when it is absent; one that means something else is an error.

do $operator$
declare
  v_operator regoperator := to_regoperator($name$@operator_schema@.~>(text,text)$name$);
  v_calls regprocedure := (select o.oprcode from pg_operator o where o.oid = v_operator);
begin
  if v_operator is null then
    create operator @operator_schema@.~> (function = df.seq, leftarg = text, rightarg = text);
  elsif v_calls is distinct from 'df.seq(text,text)'::regprocedure then
    raise exception using errcode = '42723',
      message = format('operator %s already exists and calls %s', v_operator, v_calls),
      hint = 'Install the operators of df into another schema.';
  end if;
end
$operator$;

do $operator$
declare
  v_operator regoperator := to_regoperator($name$@operator_schema@.|=>(text,text)$name$);
  v_calls regprocedure := (select o.oprcode from pg_operator o where o.oid = v_operator);
begin
  if v_operator is null then
    create operator @operator_schema@.|=> (function = df.as, leftarg = text, rightarg = text);
  elsif v_calls is distinct from 'df.as(text,text)'::regprocedure then
    raise exception using errcode = '42723',
      message = format('operator %s already exists and calls %s', v_operator, v_calls),
      hint = 'Install the operators of df into another schema.';
  end if;
end
$operator$;

do $operator$
declare
  v_operator regoperator := to_regoperator($name$@operator_schema@.&(text,text)$name$);
  v_calls regprocedure := (select o.oprcode from pg_operator o where o.oid = v_operator);
begin
  if v_operator is null then
    create operator @operator_schema@.& (function = df.join, leftarg = text, rightarg = text);
  elsif v_calls is distinct from 'df.join(text,text)'::regprocedure then
    raise exception using errcode = '42723',
      message = format('operator %s already exists and calls %s', v_operator, v_calls),
      hint = 'Install the operators of df into another schema.';
  end if;
end
$operator$;

do $operator$
declare
  v_operator regoperator := to_regoperator($name$@operator_schema@.|(text,text)$name$);
  v_calls regprocedure := (select o.oprcode from pg_operator o where o.oid = v_operator);
begin
  if v_operator is null then
    create operator @operator_schema@.| (function = df.race, leftarg = text, rightarg = text);
  elsif v_calls is distinct from 'df.race(text,text)'::regprocedure then
    raise exception using errcode = '42723',
      message = format('operator %s already exists and calls %s', v_operator, v_calls),
      hint = 'Install the operators of df into another schema.';
  end if;
end
$operator$;

do $operator$
declare
  v_operator regoperator := to_regoperator($name$@operator_schema@.?>(text,text)$name$);
  v_calls regprocedure := (select o.oprcode from pg_operator o where o.oid = v_operator);
begin
  if v_operator is null then
    create operator @operator_schema@.?> (function = df.if_then, leftarg = text, rightarg = text);
  elsif v_calls is distinct from 'df.if_then(text,text)'::regprocedure then
    raise exception using errcode = '42723',
      message = format('operator %s already exists and calls %s', v_operator, v_calls),
      hint = 'Install the operators of df into another schema.';
  end if;
end
$operator$;

do $operator$
declare
  v_operator regoperator := to_regoperator($name$@operator_schema@.!>(text,text)$name$);
  v_calls regprocedure := (select o.oprcode from pg_operator o where o.oid = v_operator);
begin
  if v_operator is null then
    create operator @operator_schema@.!> (function = df.if_else, leftarg = text, rightarg = text);
  elsif v_calls is distinct from 'df.if_else(text,text)'::regprocedure then
    raise exception using errcode = '42723',
      message = format('operator %s already exists and calls %s', v_operator, v_calls),
      hint = 'Install the operators of df into another schema.';
  end if;
end
$operator$;

do $operator$
declare
  v_operator regoperator := to_regoperator($name$@operator_schema@.@>(none,text)$name$);
  v_calls regprocedure := (select o.oprcode from pg_operator o where o.oid = v_operator);
begin
  if v_operator is null then
    create operator @operator_schema@.@> (function = df.loop_forever, rightarg = text);
  elsif v_calls is distinct from 'df.loop_forever(text)'::regprocedure then
    raise exception using errcode = '42723',
      message = format('operator %s already exists and calls %s', v_operator, v_calls),
      hint = 'Install the operators of df into another schema.';
  end if;
end
$operator$;
