-- Nobody, df's own functions included, ends an instance otherwise than its status says; what a start
-- leaves to the table is what its trigger puts there.
begin;
create role test_instances_one login;
select df.grant_usage('test_instances_one');
set local role test_instances_one;
select df.setvar('a', 'b');
select df.start('select 1', 'mine');
reset role;

do $$
declare
    v_change text;
begin
    assert (select i.root_node = i.id || ':root' and i.vars ->> 'a' = 'b' from df.instances i where i.label = 'mine');
    foreach v_change in array array[
        'ended_at = now()', 'completed_at = now()', 'status = ''completed'', ended_at = now()',
        'status = ''failed'', ended_at = now(), completed_at = now()', 'status = ''cancelled'', ended_at = null'] loop
        begin
            execute format('update df.instances set %s where label = ''mine''', v_change);
            raise exception 'not refused: %', v_change;
        exception when check_violation then
            null;
        end;
    end loop;
    update df.instances set status = 'completed', ended_at = now(), completed_at = now() where label = 'mine';
end
$$;
rollback;
