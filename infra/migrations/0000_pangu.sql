CREATE SCHEMA "pangu";
--> statement-breakpoint
CREATE TABLE "pangu"."chunks" (
	"id" text PRIMARY KEY NOT NULL,
	"file" text NOT NULL,
	"index" integer NOT NULL,
	"offset" bigint DEFAULT 0 NOT NULL,
	"length" bigint DEFAULT 0 NOT NULL,
	"state" text DEFAULT 'open' NOT NULL,
	CONSTRAINT "chunks_file_index_key" UNIQUE("file","index"),
	CONSTRAINT "chunks_state_check" CHECK ("pangu"."chunks"."state" in ('open', 'sealed'))
);
--> statement-breakpoint
CREATE TABLE "pangu"."garbage" (
	"chunk" text NOT NULL,
	"node" text NOT NULL,
	CONSTRAINT "garbage_pkey" PRIMARY KEY("node","chunk")
);
--> statement-breakpoint
CREATE TABLE "pangu"."inodes" (
	"id" text PRIMARY KEY NOT NULL,
	"parent" text,
	"name" text collate "C" NOT NULL,
	"type" text NOT NULL,
	"state" text NOT NULL,
	"size" bigint DEFAULT 0 NOT NULL,
	"chunk_bytes" integer DEFAULT 0 NOT NULL,
	"replicas" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"modified_at" timestamp with time zone DEFAULT now() NOT NULL,
	"target" text,
	"deleted_at" timestamp with time zone,
	CONSTRAINT "inodes_parent_name_key" UNIQUE("parent","name"),
	CONSTRAINT "inodes_type_check" CHECK ("pangu"."inodes"."type" in ('file', 'directory')),
	CONSTRAINT "inodes_state_check" CHECK ("pangu"."inodes"."state" in ('open', 'closed')),
	CONSTRAINT "inodes_no_self_parent_check" CHECK ("pangu"."inodes"."parent" <> "pangu"."inodes"."id")
);
--> statement-breakpoint
CREATE TABLE "pangu"."replicas" (
	"chunk" text NOT NULL,
	"node" text NOT NULL,
	CONSTRAINT "replicas_pkey" PRIMARY KEY("chunk","node")
);
--> statement-breakpoint
CREATE TABLE "pangu"."requests" (
	"id" text PRIMARY KEY NOT NULL,
	"keep_until" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "pangu"."chunks" ADD CONSTRAINT "chunks_file_inodes_id_fk" FOREIGN KEY ("file") REFERENCES "pangu"."inodes"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "pangu"."inodes" ADD CONSTRAINT "inodes_parent_fkey" FOREIGN KEY ("parent") REFERENCES "pangu"."inodes"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "pangu"."replicas" ADD CONSTRAINT "replicas_chunk_chunks_id_fk" FOREIGN KEY ("chunk") REFERENCES "pangu"."chunks"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "inodes_deleted_at_index" ON "pangu"."inodes" USING btree ("deleted_at") WHERE "pangu"."inodes"."deleted_at" is not null;--> statement-breakpoint
CREATE INDEX "requests_keep_until_index" ON "pangu"."requests" USING btree ("keep_until");--> statement-breakpoint
insert into "pangu"."inodes" ("id", "parent", "name", "type", "state") values ('root', null, '', 'directory', 'closed');
