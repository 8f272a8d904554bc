CREATE TABLE "pangu"."ledger" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	"kind" text NOT NULL,
	"chunk" text,
	"node" text,
	"bytes" bigint DEFAULT 0 NOT NULL,
	"cause" text DEFAULT '' NOT NULL
);
--> statement-breakpoint
CREATE TABLE "pangu"."nodes" (
	"id" text PRIMARY KEY NOT NULL,
	"gone_at" timestamp with time zone NOT NULL,
	"dead_at" timestamp with time zone
);
--> statement-breakpoint
CREATE INDEX "ledger_at_index" ON "pangu"."ledger" USING btree ("at");--> statement-breakpoint
CREATE INDEX "ledger_chunk_index" ON "pangu"."ledger" USING btree ("chunk","id");--> statement-breakpoint
CREATE INDEX "ledger_node_index" ON "pangu"."ledger" USING btree ("node","id");