"""What both web pages share: layout, style sheet, security headers. Knows nothing of clients or clouds."""
