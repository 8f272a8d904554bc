CREATE TABLE "pangu"."attributes" (
	"inode" text NOT NULL,
	"name" text collate "C" NOT NULL,
	"value" "bytea" NOT NULL,
	CONSTRAINT "attributes_pkey" PRIMARY KEY("inode","name")
);
--> statement-breakpoint
CREATE TABLE "pangu"."quotas" (
	"directory" text PRIMARY KEY NOT NULL,
	"files_max" bigint,
	"bytes_max" bigint,
	"files" bigint NOT NULL,
	"bytes" bigint NOT NULL,
	CONSTRAINT "quotas_some_limit_check" CHECK ("pangu"."quotas"."files_max" >= 0 or "pangu"."quotas"."bytes_max" >= 0)
);
--> statement-breakpoint
CREATE TABLE "pangu"."settings" (
	"name" text PRIMARY KEY NOT NULL,
	"value" text NOT NULL
);
--> statement-breakpoint
ALTER TABLE "pangu"."inodes" ADD COLUMN "owner" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "pangu"."attributes" ADD CONSTRAINT "attributes_inode_inodes_id_fk" FOREIGN KEY ("inode") REFERENCES "pangu"."inodes"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "pangu"."quotas" ADD CONSTRAINT "quotas_directory_inodes_id_fk" FOREIGN KEY ("directory") REFERENCES "pangu"."inodes"("id") ON DELETE cascade ON UPDATE no action;
--> statement-breakpoint
-- Usage of directories with a quota (services/pangu/master/quotas.ts tells how and why). Two advisory locks: 7203682, the tree's, is held by who moves a
-- directory or sets a quota; 7203683, the quotas', is shared by who counts, and held alone by who changes which quotas an inode counts for.
create function pangu.quotas_above(start text) returns setof text language sql volatile as $$
  with recursive up (id) as (
    select start where start is not null
    union all
    select above.parent from up cross join lateral (select i.parent from pangu.inodes i where i.id = up.id limit 1) above where above.parent is not null
  )
  select q.directory from up join pangu.quotas q on q.directory = up.id
$$;
--> statement-breakpoint
create function pangu.path_of(inode text) returns text language sql volatile as $$
  with recursive up (id, parent, name, depth) as (
    select i.id, i.parent, i.name, 0 from pangu.inodes i where i.id = inode
    union all
    select above.id, above.parent, above.name, up.depth + 1
    from up cross join lateral (select * from pangu.inodes i where i.id = up.parent limit 1) above
  )
  select '/' || coalesce(string_agg(name, '/' order by depth desc) filter (where id <> 'root'), '') from up
$$;
--> statement-breakpoint
-- Files, and their bytes, at or below an inode. With `trusting` what lies below a quota is not counted again.
create function pangu.usage_below(top text, trusting boolean, out files bigint, out bytes bigint) language sql volatile as $$
  with recursive below (id, type, size, counted) as (
    select i.id, i.type, i.size, trusting and exists (select from pangu.quotas q where q.directory = i.id) from pangu.inodes i where i.id = top
    union all
    select child.id, child.type, child.size, trusting and child.type = 'directory' and exists (select from pangu.quotas q where q.directory = child.id)
    from below cross join lateral (select i.id, i.type, i.size from pangu.inodes i where i.parent = below.id offset 0) child
    where below.type = 'directory' and not below.counted
  )
  select
    (coalesce(sum(case when below.type = 'file' then 1 when below.counted then q.files end), 0))::bigint,
    (coalesce(sum(case when below.type = 'file' then below.size when below.counted then q.bytes end), 0))::bigint
  from below left join pangu.quotas q on below.counted and q.directory = below.id
$$;
--> statement-breakpoint
create function pangu.charge(directories text[], file_deltas bigint[], byte_deltas bigint[]) returns void language plpgsql as $$
declare
  exceeded record;
begin
  perform 1 from pangu.quotas where directory = any (directories) order by directory for update;
  update pangu.quotas q set files = q.files + d.files, bytes = q.bytes + d.bytes
  from unnest(directories, file_deltas, byte_deltas) as d (directory, files, bytes) where q.directory = d.directory;
  select q.*, d.files > 0 and q.files > q.files_max as by_files into exceeded
  from pangu.quotas q join unnest(directories, file_deltas, byte_deltas) as d (directory, files, bytes) on d.directory = q.directory
  where (d.files > 0 and q.files > q.files_max) or (d.bytes > 0 and q.bytes > q.bytes_max)
  order by q.directory limit 1;
  if found then
    raise exception using errcode = 'PQ001', message = 'over quota', detail = json_build_object(
      'path', pangu.path_of(exceeded.directory),
      'limit', case when exceeded.by_files then 'files' else 'bytes' end,
      'max', case when exceeded.by_files then exceeded.files_max else exceeded.bytes_max end,
      'wanted', case when exceeded.by_files then exceeded.files else exceeded.bytes end)::text;
  end if;
end
$$;
--> statement-breakpoint
-- To be called before a directory moves, and before the rows it touches are locked: others wait for it, not it for them.
create function pangu.lock_move(from_parent text, to_parent text) returns void language plpgsql as $$
begin
  perform pg_advisory_xact_lock(7203682);
  if exists (select from pangu.quotas) and exists (
    (select pangu.quotas_above(from_parent) except select pangu.quotas_above(to_parent))
    union all
    (select pangu.quotas_above(to_parent) except select pangu.quotas_above(from_parent))
  ) then
    perform pg_advisory_xact_lock(7203683);
  end if;
end
$$;
--> statement-breakpoint
create function pangu.count_moved_directory(directory text, from_parent text, to_parent text) returns void language plpgsql as $$
declare
  losing text[];
  gaining text[];
  used record;
begin
  perform pangu.lock_move(from_parent, to_parent);
  if not exists (select from pangu.quotas) then return; end if;
  losing := array(select pangu.quotas_above(from_parent) except select pangu.quotas_above(to_parent));
  gaining := array(select pangu.quotas_above(to_parent) except select pangu.quotas_above(from_parent));
  if cardinality(losing) + cardinality(gaining) = 0 then return; end if;
  select * into used from pangu.usage_below(directory, true);
  perform pangu.charge(
    losing || gaining,
    array_fill(-used.files, array[cardinality(losing)]) || array_fill(used.files, array[cardinality(gaining)]),
    array_fill(-used.bytes, array[cardinality(losing)]) || array_fill(used.bytes, array[cardinality(gaining)]));
end
$$;
--> statement-breakpoint
create function pangu.count_usage() returns trigger language plpgsql as $$
declare
  moved record;
  parents text[];
  files bigint[];
  bytes bigint[];
  charged record;
begin
  if tg_op = 'UPDATE' then
    for moved in
      select o.id, o.parent as from_parent, n.parent as to_parent from old_rows o join new_rows n on n.id = o.id
      where o.type = 'directory' and o.parent is distinct from n.parent and n.deleted_at is distinct from to_timestamp(0)
    loop
      perform pangu.count_moved_directory(moved.id, moved.from_parent, moved.to_parent);
    end loop;
  end if;
  perform pg_advisory_xact_lock_shared(7203683);
  if not exists (select from pangu.quotas) then return null; end if;
  if tg_op = 'INSERT' then
    select array_agg(c.parent), array_agg(c.files), array_agg(c.bytes) into parents, files, bytes
    from (select n.parent, count(*) as files, sum(n.size)::bigint as bytes from new_rows n where n.type = 'file' and n.parent is not null group by n.parent) c;
  elsif tg_op = 'DELETE' then
    select array_agg(c.parent), array_agg(-c.files), array_agg(-c.bytes) into parents, files, bytes
    from (select o.parent, count(*) as files, sum(o.size)::bigint as bytes from old_rows o where o.type = 'file' and o.parent is not null group by o.parent) c;
  else
    select array_agg(c.parent), array_agg(c.files), array_agg(c.bytes) into parents, files, bytes
    from (
      select each.parent, sum(each.files)::bigint as files, sum(each.bytes)::bigint as bytes
      from (
        select o.parent, -1 as files, -o.size as bytes from old_rows o where o.type = 'file' and o.parent is not null
        union all
        select n.parent, 1, n.size from new_rows n where n.type = 'file' and n.parent is not null
      ) each
      group by each.parent having sum(each.files) <> 0 or sum(each.bytes) <> 0
    ) c;
  end if;
  if parents is null then return null; end if;
  select array_agg(c.directory) as directories, array_agg(c.files) as files, array_agg(c.bytes) as bytes into charged
  from (
    select above.directory, sum(d.files)::bigint as files, sum(d.bytes)::bigint as bytes
    from unnest(parents, files, bytes) as d (parent, files, bytes) cross join lateral pangu.quotas_above(d.parent) as above (directory)
    group by above.directory having sum(d.files) <> 0 or sum(d.bytes) <> 0
  ) c;
  if charged.directories is not null then
    perform pangu.charge(charged.directories, charged.files, charged.bytes);
  end if;
  return null;
end
$$;
--> statement-breakpoint
create trigger inodes_count_insert after insert on pangu.inodes referencing new table as new_rows for each statement execute function pangu.count_usage();
--> statement-breakpoint
create trigger inodes_count_update after update on pangu.inodes referencing old table as old_rows new table as new_rows for each statement execute function pangu.count_usage();
--> statement-breakpoint
create trigger inodes_count_delete after delete on pangu.inodes referencing old table as old_rows for each statement execute function pangu.count_usage();
