{{/* What KEDA asks of Postgres; a test runs both on a real database. */}}
{{- define "affidavit.queueAge" -}}
SELECT coalesce(ceil(extract(epoch FROM now() - min(greatest(created_at, run_after)))), 0)::bigint FROM job_tasks WHERE status = 'queued' AND run_after <= now()
{{- end -}}
{{- define "affidavit.queueDepth" -}}
SELECT count(*) FROM job_tasks WHERE status = 'queued' AND run_after <= now()
{{- end -}}
