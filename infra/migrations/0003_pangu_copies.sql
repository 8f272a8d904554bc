CREATE TABLE "pangu"."copies" (
	"chunk" text PRIMARY KEY NOT NULL,
	"node" text NOT NULL,
	"until" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "replicas_node_index" ON "pangu"."replicas" USING btree ("node","chunk");