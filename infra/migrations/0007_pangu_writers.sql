ALTER TABLE "pangu"."chunks" ADD COLUMN "version" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "pangu"."inodes" ADD COLUMN "kind" text DEFAULT 'append' NOT NULL;--> statement-breakpoint
ALTER TABLE "pangu"."inodes" ADD COLUMN "min_replicas" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "pangu"."inodes" ADD COLUMN "epoch" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "pangu"."inodes" ADD COLUMN "writer" text;--> statement-breakpoint
CREATE INDEX "inodes_writer_index" ON "pangu"."inodes" USING btree ("writer") WHERE "pangu"."inodes"."writer" is not null;--> statement-breakpoint
ALTER TABLE "pangu"."inodes" ADD CONSTRAINT "inodes_kind_check" CHECK ("pangu"."inodes"."kind" in ('append', 'log', 'random'));