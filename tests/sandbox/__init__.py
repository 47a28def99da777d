"""The sandbox held to the platform contract, section by section.

Section                                      Held by
§1.4 Vocabulary and identifiers              test_hermes_mail (ids, hashes), test_hermes_sessions (queue names)
§2.2 Listener rules, §2.7 /session pages,    test_alb_routes, in both dialects; what a load balancer does with
§2.8 WebSocket, §2.9 Headers                 bytes whatever the rules are: test_alb_proxy
§2.3 Hermes API, §2.4 Error bodies           test_hermes_sessions; resume-preview's decision table:
                                             test_hermes_resume
§2.5 Health bodies, §2.6 Container endpoints test_container; through the load balancer: test_alb_routes
§3 DynamoDB: keys, indexes, TTL              test_provision
§3 DynamoDB: rows and their states           test_hermes_sessions, test_hermes_resume, test_container
§4.1 Queues, their attributes and rows       test_hermes_sessions; the mail queue: test_provision
§4.2-4.4 Commands, interrupts, responses     test_container
§4.5 Wake                                    test_hermes_resume
§4.6 Deletion and dead letters               test_aws (redrive), test_container, test_hermes_mail
§4.6 Orphans and cleanup jobs                test_jobs
§5.1-5.3, 5.5 Tasks, tags, timeline          test_ecs; the phases' figures: test_faults
§5.4 Counting and scaling                    test_autoscaling, test_ecs
§5.6 Auto-sleep                              test_container; the jobs' part: test_jobs
§6 Workspace and git                         test_container
§7.1, 7.2 Opening chats, choice of container test_hermes_sessions
§7.3, 7.4 Execution of commands              test_container
§8 Email ingress                             test_hermes_mail
§9.1 Metrics                                 test_metrics
§9.3 Logs                                    test_logs
§13 Quirks: 9 (commands that are not interrupted) test_container, 19 (envelopes) test_hermes_mail,
            25 (dimensions) test_metrics, 6 (`:latest`, no Exec) test_ecs,
            2 (sessions not found), 7 (key of a woken row) test_quirks

The remaining files are about the sandbox itself: how it starts and ends (test_lifecycle), its faults
(test_faults; each is tried against the probes elsewhere) and its log of what really happened (test_truth).

Not played: alarms, topics and dashboards (§9.2), replies by mail (§8.4), AWS' own metrics of tables and
functions (§9.1), ECS Exec sessions (§6.4), network interfaces looked up in EC2 (§5.5).
"""
