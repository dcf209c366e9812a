CREATE TABLE "console_links" (
	"id" uuid PRIMARY KEY NOT NULL,
	"project_id" uuid NOT NULL,
	"subscription_id" uuid,
	"metadata" text,
	"may_redeliver" boolean NOT NULL,
	"key_id" uuid NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"revoked_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE INDEX "console_links_by_project" ON "console_links" USING btree ("project_id","id");--> statement-breakpoint
CREATE INDEX "console_links_by_end" ON "console_links" USING btree ("expires_at");