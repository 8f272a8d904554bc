CREATE TABLE "pangu"."log_marks" (
	"file" text NOT NULL,
	"writer" text NOT NULL,
	"sequence" bigint NOT NULL,
	"offset" bigint NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "log_marks_pkey" PRIMARY KEY("file","writer")
);
--> statement-breakpoint
ALTER TABLE "pangu"."chunks" ADD COLUMN "primary_node" text;--> statement-breakpoint
ALTER TABLE "pangu"."inodes" ADD COLUMN "recovery_until" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "pangu"."log_marks" ADD CONSTRAINT "log_marks_file_inodes_id_fk" FOREIGN KEY ("file") REFERENCES "pangu"."inodes"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "log_marks_at_index" ON "pangu"."log_marks" USING btree ("at");--> statement-breakpoint
CREATE INDEX "chunks_open_log_index" ON "pangu"."chunks" USING btree ("file") WHERE "pangu"."chunks"."state" = 'open' and "pangu"."chunks"."primary_node" is not null;